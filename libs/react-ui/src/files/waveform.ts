import type { ParleyClient } from '@parley/client';
import type { Attachment } from '@parley/contracts';
import { useEffect, useState } from 'react';
import { useClient } from '../shared/chat.ts';

/** Larger files are not decoded: sound takes much more memory than its file. */
const MAX_BYTES = 2 * 1024 ** 2;
const MAX_SECONDS = 1_800;
const BARS = 44;
const SAMPLE_RATE = 8_000;
const MAX_WAVEFORMS = 300;

/** How loud a recording is over its length. */
export interface Waveform {
  /** From 0 to 1. */
  readonly bars: readonly number[];
  readonly seconds: number;
}

/** Decodes the sound of files, one at a time. */
class Waveforms {
  private readonly made = new Map<string, Promise<Waveform>>();
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly client: ParleyClient) {}

  get(attachment: Attachment): Promise<Waveform> {
    const present = this.made.get(attachment.id);
    if (present) return present;
    const waveform = this.last.then(() => this.make(attachment));
    this.last = waveform.catch(() => undefined);
    this.made.set(attachment.id, waveform);
    if (this.made.size > MAX_WAVEFORMS) this.made.delete(this.made.keys().next().value!);
    return waveform;
  }

  private async make({ id }: Attachment): Promise<Waveform> {
    const file = await this.client.fetchAttachment(id);
    const sound = await new OfflineAudioContext(1, 1, SAMPLE_RATE).decodeAudioData(await file.arrayBuffer());
    return { bars: barsOf(sound.getChannelData(0)), seconds: sound.duration };
  }
}

/** The loudness of equal parts of some samples, relative to the loudest part. */
export function barsOf(samples: Float32Array, count = BARS): number[] {
  const levels = Array.from({ length: count }, (_, n) => {
    const [from, to] = [n, n + 1].map((at) => Math.floor((at * samples.length) / count)) as [number, number];
    let sum = 0;
    for (let at = from; at < to; at++) sum += samples[at]! ** 2;
    return Math.sqrt(sum / Math.max(1, to - from));
  });
  const loudest = Math.max(...levels);
  return levels.map((level) => (loudest < 0.001 ? 0 : level / loudest));
}

const waveformsByClient = new WeakMap<ParleyClient, Waveforms>();

/** The waveform of a recording that is not too large. Undefined until it is known, and when it cannot be decoded. */
export function useWaveform(attachment: Attachment, isWanted: boolean): Waveform | undefined {
  const client = useClient();
  const [waveform, setWaveform] = useState<Waveform>();
  const { size, durationMs = 0 } = attachment;
  const isDecoded = isWanted && size <= MAX_BYTES && durationMs <= MAX_SECONDS * 1000;
  useEffect(() => {
    if (!isDecoded) return undefined;
    let isCurrent = true;
    const waveforms = waveformsByClient.get(client) ?? new Waveforms(client);
    waveformsByClient.set(client, waveforms);
    waveforms.get(attachment).then(
      (found) => isCurrent && setWaveform(found),
      () => undefined,
    );
    return () => {
      isCurrent = false;
    };
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- an attachment never changes, its object may
  }, [client, attachment.id, isDecoded]);
  return waveform;
}

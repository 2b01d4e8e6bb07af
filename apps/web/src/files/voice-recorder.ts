import { useEffect, useRef, useState } from 'react';

const formats = ['audio/mp4', 'audio/ogg;codecs=opus', 'audio/webm;codecs=opus'];
const LONGEST_MS = 10 * 60_000;

export interface Recorder {
  /** Seconds so far; `undefined` while nothing is recorded. */
  readonly seconds: number | undefined;
  /** Asks for the microphone and begins. Rejects when it can't be had. */
  start(): Promise<void>;
  /** Ends it; resolves with the recording. */
  finish(): Promise<File | undefined>;
  cancel(): void;
}

/** Records the microphone, for ten minutes at most. */
export function useRecorder(): Recorder {
  const recorder = useRef<MediaRecorder>(undefined);
  const pieces = useRef<Blob[]>([]);
  const [startedAt, setStartedAt] = useState<number>();
  const [now, setNow] = useState(0);

  useEffect(() => {
    if (startedAt === undefined) return undefined;
    const timer = setInterval(() => setNow(Date.now()), 200);
    return () => clearInterval(timer);
  }, [startedAt]);

  const release = () => {
    recorder.current?.stream.getTracks().forEach((track) => track.stop());
    recorder.current = undefined;
    setStartedAt(undefined);
  };
  useEffect(() => release, []);

  return {
    seconds: startedAt === undefined ? undefined : Math.max(0, now - startedAt) / 1000,
    async start() {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      const mimeType = formats.find((format) => MediaRecorder.isTypeSupported(format));
      const one = new MediaRecorder(stream, mimeType === undefined ? {} : { mimeType });
      pieces.current = [];
      one.addEventListener('dataavailable', ({ data }) => void pieces.current.push(data));
      one.start(1000);
      recorder.current = one;
      setNow(Date.now());
      setStartedAt(Date.now());
      setTimeout(() => one.state === 'recording' && one.pause(), LONGEST_MS);
    },
    async finish() {
      const one = recorder.current;
      if (!one) return undefined;
      await new Promise<void>((resolve) => {
        one.addEventListener('stop', () => resolve(), { once: true });
        one.stop();
      });
      release();
      const type = one.mimeType.split(';')[0] ?? '';
      return new File(
        pieces.current,
        `voice.${type.split('/')[1] === 'mp4' ? 'm4a' : (type.split('/')[1] ?? 'webm')}`,
        { type },
      );
    },
    cancel: release,
  };
}

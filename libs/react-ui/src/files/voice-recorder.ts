import { useEffect, useRef, useState } from 'react';

const formats = ['audio/mp4', 'audio/ogg;codecs=opus', 'audio/webm;codecs=opus'];
const MAX_RECORDING_MS = 10 * 60_000;

/** One file of the pieces of a recording. */
export function voiceFile(pieces: readonly Blob[]): File {
  const type = pieces[0]?.type.split(';')[0] ?? '';
  const format = type.split('/')[1] ?? 'webm';
  return new File([...pieces], `voice.${format === 'mp4' ? 'm4a' : format}`, { type });
}

/** Takes the pieces of a recording as they come, until it has ended. */
interface Keeper {
  add(piece: Blob): void;
  end(): Promise<void>;
}

/** A recorder of voice messages. */
export interface VoiceRecorder {
  /** The length so far, in seconds. Undefined while nothing is recorded. */
  readonly seconds: number | undefined;
  /** Asks for the microphone and begins to record. Rejects when there is no microphone or no permission. */
  start(): Promise<void>;
  /** Ends the recording. Resolves with it. */
  finish(): Promise<File | undefined>;
  cancel(): void;
}

/**
 * Records from the microphone, for ten minutes at most. When the component goes while it records, `onLeave` gets what
 * was recorded. `keep` opens a place for the pieces, from which they are there again when the page is closed.
 */
export function useVoiceRecorder(onLeave: (recording: File) => void, keep: () => Keeper | undefined): VoiceRecorder {
  const recorder = useRef<MediaRecorder>(undefined);
  const pieces = useRef<Blob[]>([]);
  const keeper = useRef<Keeper>(undefined);
  const isGone = useRef(false);
  const leave = useRef(onLeave);
  const [startedAt, setStartedAt] = useState<number>();
  const [now, setNow] = useState(0);
  useEffect(() => void (leave.current = onLeave));

  useEffect(() => {
    if (startedAt === undefined) return undefined;
    const timer = setInterval(() => setNow(Date.now()), 200);
    return () => clearInterval(timer);
  }, [startedAt]);

  const stop = useRef(async (): Promise<File | undefined> => {
    const { current } = recorder;
    if (!current) return undefined;
    recorder.current = undefined;
    await new Promise<void>((resolve) => {
      current.addEventListener('stop', () => resolve(), { once: true });
      current.stop();
    });
    current.stream.getTracks().forEach((track) => track.stop());
    void keeper.current?.end();
    return voiceFile(pieces.current);
  });
  useEffect(() => {
    isGone.current = false;
    const { current: finish } = stop;
    return () => {
      isGone.current = true;
      void finish().then((recording) => recording && leave.current(recording));
    };
  }, []);

  return {
    seconds: startedAt === undefined ? undefined : Math.max(0, now - startedAt) / 1000,
    async start() {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      // The permission may have been given after the user went elsewhere.
      if (isGone.current) return stream.getTracks().forEach((track) => track.stop());
      const mimeType = formats.find((format) => MediaRecorder.isTypeSupported(format));
      const started = new MediaRecorder(stream, mimeType === undefined ? {} : { mimeType });
      pieces.current = [];
      keeper.current = keep();
      started.addEventListener('dataavailable', ({ data }) => {
        pieces.current.push(data);
        keeper.current?.add(data);
      });
      started.start(1000);
      recorder.current = started;
      setNow(Date.now());
      setStartedAt(Date.now());
      setTimeout(() => started.state === 'recording' && started.pause(), MAX_RECORDING_MS);
    },
    async finish() {
      const recording = await stop.current();
      setStartedAt(undefined);
      return recording;
    },
    cancel() {
      recorder.current?.stream.getTracks().forEach((track) => track.stop());
      recorder.current = undefined;
      void keeper.current?.end();
      setStartedAt(undefined);
    },
  };
}

import { useEffect, useRef, useState } from 'react';

const formats = ['audio/mp4', 'audio/ogg;codecs=opus', 'audio/webm;codecs=opus'];
const MAX_RECORDING_MS = 10 * 60_000;

export interface VoiceRecorder {
  /** The length so far, in seconds. Undefined while nothing is recorded. */
  readonly seconds: number | undefined;
  /** Asks for the microphone and begins to record. Rejects when there is no microphone or no permission. */
  start(): Promise<void>;
  /** Ends the recording. Resolves with it. */
  finish(): Promise<File | undefined>;
  cancel(): void;
}

/** Records from the microphone, for ten minutes at most. */
export function useVoiceRecorder(): VoiceRecorder {
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
      const started = new MediaRecorder(stream, mimeType === undefined ? {} : { mimeType });
      pieces.current = [];
      started.addEventListener('dataavailable', ({ data }) => void pieces.current.push(data));
      started.start(1000);
      recorder.current = started;
      setNow(Date.now());
      setStartedAt(Date.now());
      setTimeout(() => started.state === 'recording' && started.pause(), MAX_RECORDING_MS);
    },
    async finish() {
      const { current } = recorder;
      if (!current) return undefined;
      await new Promise<void>((resolve) => {
        current.addEventListener('stop', () => resolve(), { once: true });
        current.stop();
      });
      release();
      const type = current.mimeType.split(';')[0] ?? '';
      const format = type.split('/')[1] ?? 'webm';
      return new File(pieces.current, `voice.${format === 'mp4' ? 'm4a' : format}`, { type });
    },
    cancel: release,
  };
}

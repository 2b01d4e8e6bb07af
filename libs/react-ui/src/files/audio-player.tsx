import type { Attachment } from '@parley/contracts';
import { Download, Pause, Play } from 'lucide-react';
import { useRef, useState } from 'react';
import { useClient } from '../shared/chat.ts';
import { clockOf, sizeOf } from '../shared/times.ts';
import { attempt } from '../shared/toasts.tsx';
import { useStrings } from '../strings/strings.tsx';
import { download } from './download.ts';
import { useSeen, useStream } from './links.ts';
import { useWaveform, type Waveform } from './waveform.ts';

/** Plays a recording or a piece of music, with its length and how loud it is, before it is played too. */
export function AudioPlayer({ attachment, voice }: { readonly attachment: Attachment; readonly voice: boolean }) {
  const { files } = useStrings();
  const client = useClient();
  const [element, seen] = useSeen<HTMLDivElement>();
  const waveform = useWaveform(attachment, seen);
  const [isRequested, setRequested] = useState(false);
  const { url, failed, events } = useStream(attachment, isRequested);
  const audio = useRef<HTMLAudioElement>(null);
  const [playing, setPlaying] = useState(false);
  const [at, setAt] = useState(0);
  const [playedLength, setPlayedLength] = useState(0);
  const { name, size, durationMs = 0 } = attachment;
  const length = waveform?.seconds ?? (playedLength || durationMs / 1000);
  const toggle = () => {
    if (!url) setRequested(true);
    else if (audio.current?.paused) void audio.current.play().catch(() => undefined);
    else audio.current?.pause();
  };
  return (
    <div className="audio" ref={element}>
      <button
        type="button"
        className="icon-button filled"
        aria-label={playing ? files.pause : files.play(name)}
        disabled={failed}
        onClick={toggle}
      >
        {playing ? <Pause size={18} fill="currentcolor" /> : <Play size={18} fill="currentcolor" />}
      </button>
      <span className="audio-main">
        {!voice && (
          <strong className="cut" dir="auto">
            {name}
          </strong>
        )}
        <span className="audio-line" dir="ltr">
          <span className="audio-track">
            <Bars waveform={waveform} played={length > 0 ? Math.min(1, at / length) : 0} />
            <input
              type="range"
              min={0}
              max={length || 1}
              step={0.1}
              value={at}
              aria-label={files.position}
              aria-valuetext={clockOf(at)}
              onChange={({ target }) => {
                if (!audio.current) return setRequested(true);
                audio.current.currentTime = Number(target.value);
                setAt(Number(target.value));
              }}
            />
          </span>
          {(at > 0 || length > 0) && <time>{clockOf(at > 0 ? at : length)}</time>}
        </span>
        {!voice && <small>{failed ? files.cannotPlay : sizeOf(size)}</small>}
        {voice && failed && <small>{files.cannotPlay}</small>}
      </span>
      {!voice && (
        <button
          type="button"
          className="icon-button"
          aria-label={files.downloadFile(name)}
          title={files.downloadFile(name)}
          onClick={() => void attempt(() => download(client, attachment))}
        >
          <Download size={18} />
        </button>
      )}
      {url !== undefined && (
        <audio
          ref={audio}
          src={url}
          autoPlay
          {...events}
          onPlay={() => setPlaying(true)}
          onPause={() => setPlaying(false)}
          onTimeUpdate={(event) => {
            events.onTimeUpdate(event);
            setAt(event.currentTarget.currentTime);
          }}
          onLoadedMetadata={(event) => {
            events.onLoadedMetadata(event);
            const { duration } = event.currentTarget;
            if (Number.isFinite(duration)) setPlayedLength(duration);
          }}
          onEnded={() => {
            setPlaying(false);
            setAt(0);
          }}
        />
      )}
    </div>
  );
}

/** How loud each part is, and how much was played; without a waveform a plain line. */
function Bars({ waveform, played }: { readonly waveform: Waveform | undefined; readonly played: number }) {
  if (!waveform)
    return (
      <span className="audio-bar">
        <span style={{ width: `${played * 100}%` }} />
      </span>
    );
  const { bars } = waveform;
  const path = bars
    .map((level, n) => {
      const height = 2 + level * 22;
      return `M${n * 4 + 2} ${14 - height / 2}v${height}`;
    })
    .join('');
  return (
    <svg viewBox={`0 0 ${bars.length * 4} 28`} preserveAspectRatio="none" aria-hidden="true">
      <path d={path} />
      <path className="played" d={path} style={{ clipPath: `inset(0 ${(1 - played) * 100}% 0 0)` }} />
    </svg>
  );
}

import type { Attachment } from '@parley/contracts';
import { CirclePlay, Play } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import { useClient } from '../shared/chat.ts';
import { clockOf } from '../shared/times.ts';
import { attempt } from '../shared/toasts.tsx';
import { useStrings } from '../strings/strings.tsx';
import { download } from './download.ts';
import { useSeen, useStream } from './links.ts';
import { usePicture } from './pictures.ts';

/** Where a poster is taken from: the very first picture of many videos is black. */
const POSTER_SECONDS = 0.1;
const savesData = (): boolean =>
  (navigator as { connection?: { readonly saveData?: boolean } }).connection?.saveData === true;

/** A picture of a video, from its preview or its beginning, of which a browser loads only a little. */
export function VideoPoster({ attachment }: { readonly attachment: Attachment }) {
  const [element, seen] = useSeen<HTMLSpanElement>();
  const preview = usePicture(seen ? attachment.thumbnailId : undefined);
  const { url, failed, events } = useStream(attachment, seen && attachment.thumbnailId === undefined && !savesData());
  const [length, setLength] = useState((attachment.durationMs ?? 0) / 1000);
  return (
    <span className="video-poster" ref={element}>
      {preview !== undefined && <img src={preview} alt="" />}
      {preview === undefined && url !== undefined && !failed && (
        <video
          src={`${url}#t=${POSTER_SECONDS}`}
          preload="metadata"
          muted
          playsInline
          tabIndex={-1}
          aria-hidden="true"
          onError={events.onError}
          onLoadedMetadata={({ currentTarget: { duration } }) => Number.isFinite(duration) && setLength(duration)}
        />
      )}
      <span className="picture-play">
        <span>
          <Play size={24} fill="currentcolor" />
        </span>
      </span>
      {length > 0 && <span className="video-length" data-text={clockOf(length)} />}
    </span>
  );
}

const focus = (element: HTMLElement | null): void => element?.focus({ preventScroll: true });

/** A video that plays as it arrives, and has the focus. `waiting` is shown until there is a link. */
export function StreamedVideo({
  attachment,
  waiting,
}: {
  readonly attachment: Attachment;
  readonly waiting: ReactNode;
}) {
  const { files } = useStrings();
  const client = useClient();
  const { url, failed, events } = useStream(attachment, true);
  if (failed)
    return (
      <span className="video-failed">
        <CirclePlay size={28} />
        {files.cannotPlay}
        <button type="button" className="button slim" onClick={() => void attempt(() => download(client, attachment))}>
          {files.downloadFile(attachment.name)}
        </button>
      </span>
    );
  if (url === undefined) return waiting;
  return (
    // eslint-disable-next-line jsx-a11y/media-has-caption -- people’s own recordings
    <video ref={focus} src={url} controls autoPlay playsInline aria-label={attachment.name} {...events} />
  );
}

/** A video in a message: its poster, and the player once somebody plays it. */
export function VideoPlayer({ attachment }: { readonly attachment: Attachment }) {
  const { files } = useStrings();
  const [isPlayed, setPlayed] = useState(false);
  const { width = 16, height = 9, name } = attachment;
  const poster = (
    <button type="button" className="picture" aria-label={files.playVideo(name)} onClick={() => setPlayed(true)}>
      <VideoPoster attachment={attachment} />
    </button>
  );
  return (
    <div className="video" style={{ aspectRatio: `${width} / ${height}` }}>
      {isPlayed ? <StreamedVideo attachment={attachment} waiting={poster} /> : poster}
    </div>
  );
}

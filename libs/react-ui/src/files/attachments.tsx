import type { ChatMessage } from '@parley/client';
import type { Attachment } from '@parley/contracts';
import { Download, FileText, Pause, Play, X } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { useClient } from '../shared/chat.ts';
import { usePicture } from './pictures.ts';
import { clockOf, sizeOf } from '../shared/times.ts';
import { attempt } from '../shared/toasts.tsx';
import { useStrings } from '../strings/strings.tsx';

/** The attachments of a message: pictures, video and audio players, downloads. */
export function Attachments({ message }: { readonly message: ChatMessage }) {
  const { attachments, type } = message;
  const pictures = attachments.filter(isShown);
  return (
    <div className={`attachments${pictures.length === attachments.length && pictures.length > 1 ? ' many' : ''}`}>
      {attachments.map((attachment) => (
        <AttachmentView
          key={attachment.id}
          attachment={attachment}
          voice={type === 'voice'}
          alone={attachments.length === 1}
        />
      ))}
    </div>
  );
}

function AttachmentView({
  attachment,
  voice,
  alone,
}: {
  readonly attachment: Attachment;
  readonly voice: boolean;
  readonly alone: boolean;
}) {
  const { mediaType } = attachment;
  if (voice || mediaType.startsWith('audio/')) return <AudioPlayer attachment={attachment} />;
  if (isShown(attachment)) return <Picture attachment={attachment} alone={alone} />;
  if (mediaType.startsWith('video/')) return <VideoPlayer attachment={attachment} />;
  return <FileDownload attachment={attachment} />;
}

/**
 * A picture without a preview is one that browsers may not decode, or only with much memory. It is offered as a download.
 */
const isShown = ({ mediaType, thumbnailId }: Attachment): boolean =>
  mediaType.startsWith('image/') && thumbnailId !== undefined;

/** The kind of a file by the ending of its name, as people know it, else by its media type. */
const fileKindOf = ({ name, mediaType }: Attachment): string =>
  /\.(\w{1,5})$/.exec(name)?.[1]?.toUpperCase() ?? mediaType.replace(/;.*/, '').split('/').at(-1)!.split('.').at(-1)!;

/** A picture's space is reserved before it is loaded, so that nothing moves. */
function Picture({ attachment, alone }: { readonly attachment: Attachment; readonly alone: boolean }) {
  const { files } = useStrings();
  const preview = usePicture(attachment.thumbnailId ?? attachment.id);
  const [open, setOpen] = useState(false);
  const { width = 320, height = 240, name } = attachment;
  const shownWidth = Math.min(340, Math.max(120, width), (360 * width) / height);
  const size = alone
    ? { width: `${Math.max(80, shownWidth)}px`, aspectRatio: `${width} / ${height}` }
    : { aspectRatio: '1' };
  return (
    <>
      <button
        type="button"
        className="picture"
        style={size}
        aria-label={files.openPicture(name)}
        onClick={() => setOpen(true)}
      >
        {preview && <img src={preview} alt={name} />}
      </button>
      {open && <PictureViewer attachment={attachment} onClose={() => setOpen(false)} />}
    </>
  );
}

function PictureViewer({ attachment, onClose }: { readonly attachment: Attachment; readonly onClose: () => void }) {
  const strings = useStrings();
  const client = useClient();
  const picture = usePicture(attachment.id);
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => ref.current?.showModal(), []);
  return (
    <dialog
      ref={ref}
      className="viewer"
      aria-label={attachment.name}
      onClose={onClose}
      onClick={(event) => event.target === ref.current && onClose()}
    >
      <header>
        <strong className="cut" dir="auto">
          {attachment.name}
        </strong>
        <button
          type="button"
          className="icon-button"
          aria-label={strings.files.download}
          onClick={() => void attempt(() => download(client, attachment))}
        >
          <Download size={20} />
        </button>
        <button type="button" className="icon-button" aria-label={strings.common.close} onClick={onClose}>
          <X size={22} />
        </button>
      </header>
      {picture ? <img src={picture} alt={attachment.name} /> : <div className="spinner" />}
    </dialog>
  );
}

/** A video is loaded when somebody plays it, because it may be large. */
function VideoPlayer({ attachment }: { readonly attachment: Attachment }) {
  const { files } = useStrings();
  const [isRequested, setRequested] = useState(false);
  const preview = usePicture(attachment.thumbnailId);
  const url = usePicture(isRequested ? attachment.id : undefined);
  // eslint-disable-next-line jsx-a11y/media-has-caption -- people’s own recordings
  if (url) return <video src={url} controls autoPlay playsInline aria-label={attachment.name} />;
  return (
    <button
      type="button"
      className="picture"
      style={{ width: '300px', aspectRatio: `${attachment.width ?? 16} / ${attachment.height ?? 9}` }}
      aria-label={files.playVideo(attachment.name)}
      onClick={() => setRequested(true)}
    >
      {preview && <img src={preview} alt="" />}
      <span className="picture-play">
        <span>{isRequested ? <div className="spinner" /> : <Play size={24} fill="currentcolor" />}</span>
      </span>
    </button>
  );
}

function AudioPlayer({ attachment }: { readonly attachment: Attachment }) {
  const { files } = useStrings();
  const [isRequested, setRequested] = useState(false);
  const url = usePicture(isRequested ? attachment.id : undefined);
  const audio = useRef<HTMLAudioElement>(null);
  const [playing, setPlaying] = useState(false);
  const [at, setAt] = useState(0);
  const [length, setLength] = useState((attachment.durationMs ?? 0) / 1000);
  const toggle = () => {
    if (!url) setRequested(true);
    else if (audio.current?.paused) void audio.current.play().catch(() => undefined);
    else audio.current?.pause();
  };
  return (
    <div className="voice">
      <button
        type="button"
        className="icon-button filled"
        aria-label={playing ? files.pause : files.play(attachment.name)}
        onClick={toggle}
      >
        {playing ? <Pause size={18} fill="currentcolor" /> : <Play size={18} fill="currentcolor" />}
      </button>
      <input
        type="range"
        min={0}
        max={length || 1}
        step={0.1}
        value={at}
        aria-label={files.position}
        aria-valuetext={clockOf(at)}
        onChange={(event) => {
          if (audio.current) audio.current.currentTime = Number(event.target.value);
        }}
      />
      <time>{clockOf(at > 0 ? at : length)}</time>
      {url && (
        <audio
          ref={audio}
          src={url}
          autoPlay
          onPlay={() => setPlaying(true)}
          onPause={() => setPlaying(false)}
          onTimeUpdate={({ currentTarget }) => setAt(currentTarget.currentTime)}
          onLoadedMetadata={({ currentTarget: { duration } }) => Number.isFinite(duration) && setLength(duration)}
          onEnded={() => {
            setPlaying(false);
            setAt(0);
          }}
        />
      )}
    </div>
  );
}

function FileDownload({ attachment }: { readonly attachment: Attachment }) {
  const { files } = useStrings();
  const client = useClient();
  return (
    <button
      type="button"
      className="file"
      onClick={() => void attempt(() => download(client, attachment))}
      aria-label={files.downloadFile(attachment.name)}
    >
      <span>
        <FileText size={20} />
      </span>
      <span className="grow">
        <strong className="cut" dir="auto">
          {attachment.name}
        </strong>
        <small>
          {sizeOf(attachment.size)} · {fileKindOf(attachment)}
        </small>
      </span>
      <Download size={18} />
    </button>
  );
}

/** Saves a file under its own name. It is never opened as a page. */
export async function download(client: ReturnType<typeof useClient>, { id, name }: Attachment): Promise<void> {
  const url = URL.createObjectURL(await client.fetchAttachment(id));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

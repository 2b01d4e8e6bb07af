import type { Attachment, Message } from '@parley/contracts';
import { ChevronLeft, ChevronRight, Download, X } from 'lucide-react';
import { useLayoutEffect, useRef, useState, type KeyboardEvent, type PointerEvent } from 'react';
import { useClient, useUser } from '../shared/chat.ts';
import { momentOf } from '../shared/times.ts';
import { attempt } from '../shared/toasts.tsx';
import { useStrings } from '../strings/strings.tsx';
import { download } from './download.ts';
import { isMedia, isVideo } from './kinds.ts';
import { usePicture } from './pictures.ts';
import { StreamedVideo } from './video-player.tsx';

/** A finger that moves further than this to a side turns to the next picture. */
const SWIPE_PX = 48;

/** A message, as far as the gallery shows it. */
export type MediaMessage = Pick<Message, 'id' | 'senderId' | 'createdAt' | 'body' | 'attachments'>;
interface Item {
  readonly attachment: Attachment;
  readonly message: MediaMessage;
}

/** Shows the pictures and videos of messages one after another, beginning with `first`. Gives the focus back at its end. */
export function Gallery({
  messages,
  first,
  onClose,
}: {
  readonly messages: readonly MediaMessage[];
  readonly first: Attachment;
  readonly onClose: () => void;
}) {
  const { common, files } = useStrings();
  const client = useClient();
  const ref = useRef<HTMLDialogElement>(null);
  const [shownId, setShownId] = useState(first.id);
  const swipeFrom = useRef<number>(undefined);
  const items = messages.flatMap((message): Item[] =>
    message.attachments.filter(isMedia).map((attachment) => ({ attachment, message })),
  );
  const at = Math.max(
    0,
    items.findIndex(({ attachment }) => attachment.id === shownId),
  );
  const item = items[at];
  // Closed before it is removed: only then the browser gives the focus back.
  useLayoutEffect(() => {
    const dialog = ref.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  const show = (index: number) => {
    const next = items[Math.min(items.length - 1, Math.max(0, index))];
    if (next) setShownId(next.attachment.id);
  };
  const isRightToLeft = () => ref.current !== null && getComputedStyle(ref.current).direction === 'rtl';
  const onKeyDown = (event: KeyboardEvent) => {
    // A player uses the arrow keys itself.
    if (event.target instanceof HTMLVideoElement && event.key.startsWith('Arrow')) return;
    const forward = isRightToLeft() ? -1 : 1;
    const target = { ArrowRight: at + forward, ArrowLeft: at - forward, Home: 0, End: items.length - 1 }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    show(target);
  };
  const onPointerUp = ({ clientX, pointerType }: PointerEvent) => {
    const moved = pointerType === 'touch' && swipeFrom.current !== undefined ? clientX - swipeFrom.current : 0;
    swipeFrom.current = undefined;
    if (Math.abs(moved) > SWIPE_PX) show(at + (moved < 0 === isRightToLeft() ? -1 : 1));
  };
  if (!item) return null;
  const { attachment, message } = item;
  return (
    <dialog
      ref={ref}
      className="viewer"
      aria-label={attachment.name}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onKeyDown={onKeyDown}
    >
      <header>
        <GalleryTitle item={item} place={items.length > 1 ? files.placeInGallery(at + 1, items.length) : undefined} />
        <button
          type="button"
          className="icon-button"
          aria-label={files.download}
          title={files.download}
          onClick={() => void attempt(() => download(client, attachment))}
        >
          <Download size={20} />
        </button>
        <button type="button" className="icon-button" aria-label={common.close} onClick={onClose}>
          <X size={22} />
        </button>
      </header>
      <div
        className="viewer-stage"
        onPointerDown={({ clientX, isPrimary }) => void (swipeFrom.current = isPrimary ? clientX : undefined)}
        onPointerUp={onPointerUp}
        onPointerCancel={() => void (swipeFrom.current = undefined)}
        onClick={(event) => event.target === event.currentTarget && onClose()}
      >
        {at > 0 && (
          <button
            type="button"
            className="icon-button viewer-previous"
            aria-label={files.previous}
            title={files.previous}
            onClick={() => show(at - 1)}
          >
            <ChevronLeft size={28} />
          </button>
        )}
        {isVideo(attachment) ? (
          <StreamedVideo key={attachment.id} attachment={attachment} waiting={<span className="spinner" />} />
        ) : (
          <FullPicture key={attachment.id} attachment={attachment} />
        )}
        {at < items.length - 1 && (
          <button
            type="button"
            className="icon-button viewer-next"
            aria-label={files.next}
            title={files.next}
            onClick={() => show(at + 1)}
          >
            <ChevronRight size={28} />
          </button>
        )}
      </div>
      {message.body !== '' && (
        <p className="viewer-caption" dir="auto">
          {message.body}
        </p>
      )}
    </dialog>
  );
}

function GalleryTitle({
  item: { attachment, message },
  place,
}: {
  readonly item: Item;
  readonly place: string | undefined;
}) {
  const sender = useUser(message.senderId);
  return (
    <span className="viewer-title">
      <strong className="cut" dir="auto">
        {attachment.name}
      </strong>
      <small className="cut" aria-live="polite">
        {[sender?.displayName, momentOf(message.createdAt), place].filter((part) => part !== undefined).join(' · ')}
      </small>
    </span>
  );
}

/** The preview until the picture itself has arrived. */
function FullPicture({ attachment }: { readonly attachment: Attachment }) {
  const preview = usePicture(attachment.thumbnailId);
  const picture = usePicture(attachment.id);
  const { width, height } = attachment;
  if (picture !== undefined) return <img src={picture} alt={attachment.name} draggable={false} />;
  if (preview !== undefined)
    return <img className="preview" src={preview} alt="" width={width} height={height} draggable={false} />;
  return <span className="spinner" />;
}

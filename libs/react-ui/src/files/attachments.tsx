import type { ChatMessage } from '@parley/client';
import type { Attachment } from '@parley/contracts';
import { Download, FileText } from 'lucide-react';
import { useState } from 'react';
import { useClient, useView } from '../shared/chat.ts';
import { sizeOf } from '../shared/times.ts';
import { attempt } from '../shared/toasts.tsx';
import { useStrings } from '../strings/strings.tsx';
import { AudioPlayer } from './audio-player.tsx';
import { download } from './download.ts';
import { Gallery } from './gallery.tsx';
import { fileKindOf, isMedia, isVideo } from './kinds.ts';
import { usePicture } from './pictures.ts';
import { VideoPlayer, VideoPoster } from './video-player.tsx';

/** The pictures and videos that an album shows; the last one tells how many there are besides. */
const MAX_TILES = 5;

/** The attachments of a message: an album of pictures and videos, audio players, downloads. */
export function Attachments({ message }: { readonly message: ChatMessage }) {
  const { attachments, type } = message;
  const [shown, setShown] = useState<Attachment>();
  const media = attachments.filter(isMedia);
  const [only] = media;
  return (
    <div className="attachments">
      {media.length > 1 ? (
        <Album media={media} onOpen={setShown} />
      ) : only && isVideo(only) ? (
        <VideoPlayer attachment={only} />
      ) : (
        only && <Picture attachment={only} onOpen={setShown} />
      )}
      {attachments
        .filter((attachment) => !isMedia(attachment))
        .map((attachment) => (
          <OtherFile key={attachment.id} attachment={attachment} voice={type === 'voice'} />
        ))}
      {shown && <MessageGallery message={message} first={shown} onClose={() => setShown(undefined)} />}
    </div>
  );
}

/** The gallery of everything that is loaded of the conversation. */
function MessageGallery({
  message,
  first,
  onClose,
}: {
  readonly message: ChatMessage;
  readonly first: Attachment;
  readonly onClose: () => void;
}) {
  const loaded = useView(message.conversationId)?.messages ?? [];
  const messages = loaded.some(({ id }) => id === message.id) ? loaded : [message];
  return <Gallery messages={messages} first={first} onClose={onClose} />;
}

function Album({
  media,
  onOpen,
}: {
  readonly media: readonly Attachment[];
  readonly onOpen: (attachment: Attachment) => void;
}) {
  const tiles = media.slice(0, MAX_TILES);
  const more = media.length - tiles.length;
  return (
    <div className="album" data-tiles={tiles.length}>
      {tiles.map((attachment, at) => (
        <MediaTile
          key={attachment.id}
          attachment={attachment}
          more={at === tiles.length - 1 ? more : 0}
          onOpen={onOpen}
        />
      ))}
    </div>
  );
}

/** A picture or video of several, cut to a square or so. `more`: how many there are behind it. */
export function MediaTile({
  attachment,
  more = 0,
  onOpen,
}: {
  readonly attachment: Attachment;
  readonly more?: number;
  readonly onOpen: (attachment: Attachment) => void;
}) {
  const { files } = useStrings();
  const { name } = attachment;
  const action = isVideo(attachment) ? files.playVideo(name) : files.openPicture(name);
  return (
    <button
      type="button"
      className="picture"
      aria-label={more > 0 ? files.openAndMore(name, more) : action}
      onClick={() => onOpen(attachment)}
    >
      {isVideo(attachment) ? <VideoPoster attachment={attachment} /> : <Preview attachment={attachment} />}
      {more > 0 && <span className="album-more" data-text={files.more(more)} />}
    </button>
  );
}

function Preview({ attachment }: { readonly attachment: Attachment }) {
  const preview = usePicture(attachment.thumbnailId ?? attachment.id);
  return preview === undefined ? null : <img src={preview} alt={attachment.name} />;
}

/** A picture's space is reserved before it is loaded, so that nothing moves. */
function Picture({
  attachment,
  onOpen,
}: {
  readonly attachment: Attachment;
  readonly onOpen: (attachment: Attachment) => void;
}) {
  const { files } = useStrings();
  const { width = 320, height = 240, name } = attachment;
  const shownWidth = Math.min(340, Math.max(120, width), (360 * width) / height);
  return (
    <button
      type="button"
      className="picture"
      style={{ width: `${Math.max(80, shownWidth)}px`, aspectRatio: `${width} / ${height}` }}
      aria-label={files.openPicture(name)}
      onClick={() => onOpen(attachment)}
    >
      <Preview attachment={attachment} />
    </button>
  );
}

/** A file that is neither picture nor video: a player, or a download. */
export function OtherFile({ attachment, voice }: { readonly attachment: Attachment; readonly voice: boolean }) {
  return voice || attachment.mediaType.startsWith('audio/') ? (
    <AudioPlayer attachment={attachment} voice={voice} />
  ) : (
    <FileDownload attachment={attachment} />
  );
}

function FileDownload({ attachment }: { readonly attachment: Attachment }) {
  const { files } = useStrings();
  const client = useClient();
  const { name, size } = attachment;
  return (
    <button
      type="button"
      className="file"
      onClick={() => void attempt(() => download(client, attachment))}
      aria-label={files.downloadFile(name)}
    >
      <span>
        <FileText size={20} />
      </span>
      <span className="grow">
        <strong className="cut" dir="auto">
          {name}
        </strong>
        <small>
          {sizeOf(size)} · {fileKindOf(attachment)}
        </small>
      </span>
      <Download size={18} />
    </button>
  );
}

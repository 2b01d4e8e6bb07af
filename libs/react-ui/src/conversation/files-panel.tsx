import type { Attachment, Message } from '@parley/contracts';
import { FolderOpen } from 'lucide-react';
import { useEffect, useState } from 'react';
import { MediaTile, OtherFile } from '../files/attachments.tsx';
import { Gallery } from '../files/gallery.tsx';
import { isMedia } from '../files/kinds.ts';
import { useClient } from '../shared/chat.ts';
import { Panel } from '../shared/panel.tsx';
import { attempt } from '../shared/toasts.tsx';
import { useStrings } from '../strings/strings.tsx';

const PAGE = 50;
type Page = { readonly items: readonly Message[]; readonly nextCursor?: string };

/** The panel with a conversation's pictures, videos and other files, newest first. */
export function FilesPanel({ id, onClose }: { readonly id: string; readonly onClose: () => void }) {
  const { files } = useStrings();
  const client = useClient();
  const [loaded, setLoaded] = useState<Page>();
  const [shown, setShown] = useState<Attachment>();
  const [isLoading, setLoading] = useState(false);
  useEffect(() => {
    let isCurrent = true;
    void attempt(async () => {
      const page = await client.request<Page>('GET', `/conversations/${id}/files`, { query: { limit: PAGE } });
      if (isCurrent) setLoaded(page);
    });
    return () => {
      isCurrent = false;
    };
  }, [client, id]);
  const loadMore = async () => {
    setLoading(true);
    await attempt(async () => {
      const query = { limit: PAGE, cursor: loaded?.nextCursor };
      const page = await client.request<Page>('GET', `/conversations/${id}/files`, { query });
      setLoaded((before) => ({ ...page, items: [...(before?.items ?? []), ...page.items] }));
    });
    setLoading(false);
  };
  const messages = loaded?.items ?? [];
  const media = messages.flatMap(({ attachments }) => attachments.filter(isMedia));
  const others = messages.flatMap(({ id: messageId, type, attachments }) =>
    attachments
      .filter((attachment) => !isMedia(attachment))
      .map((attachment) => ({ key: `${messageId} ${attachment.id}`, attachment, voice: type === 'voice' })),
  );
  return (
    <Panel title={files.panel} onClose={onClose}>
      <div className="panel-body file-list">
        {loaded && messages.length === 0 && (
          <div className="empty">
            <FolderOpen size={32} />
            <p>{files.none}</p>
          </div>
        )}
        {media.length > 0 && (
          <section>
            <h3>{files.pictures}</h3>
            <div className="file-tiles">
              {media.map((attachment, at) => (
                <MediaTile key={`${attachment.id} ${at}`} attachment={attachment} onOpen={setShown} />
              ))}
            </div>
          </section>
        )}
        {others.length > 0 && (
          <section>
            <h3>{files.others}</h3>
            <div className="file-rows">
              {others.map(({ key, attachment, voice }) => (
                <OtherFile key={key} attachment={attachment} voice={voice} />
              ))}
            </div>
          </section>
        )}
        {loaded?.nextCursor !== undefined && (
          <button type="button" className="button" disabled={isLoading} onClick={() => void loadMore()}>
            {files.showMore}
          </button>
        )}
      </div>
      {shown && <Gallery messages={messages} first={shown} onClose={() => setShown(undefined)} />}
    </Panel>
  );
}

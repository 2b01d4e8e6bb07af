import type { Message } from '@parley/contracts';
import { Pin } from 'lucide-react';
import { useEffect, useState } from 'react';
import { useClient, useView } from '../shared/chat.ts';
import { summaryOf } from '../messages/summary.ts';
import { Panel } from '../shared/panel.tsx';
import { MessageHit } from './message-hit.tsx';
import { attempt } from '../shared/toasts.tsx';
import { useStrings } from '../strings/strings.tsx';

/** The panel with the pinned messages. */
export function PinsPanel({
  id,
  onClose,
  onPick,
}: {
  readonly id: string;
  readonly onClose: () => void;
  readonly onPick: (seq: number) => void;
}) {
  const { conversation } = useStrings();
  const client = useClient();
  const [pins, setPins] = useState<readonly Message[]>();
  const rev = useView(id)?.conversation.rev;
  useEffect(() => {
    void attempt(async () =>
      setPins(
        (await client.request<{ items: Message[] }>('GET', `/conversations/${id}/pins`, { query: { limit: 100 } }))
          .items,
      ),
    );
  }, [client, id, rev]);
  return (
    <Panel title={conversation.pinned} onClose={onClose}>
      <div className="panel-body tight">
        {pins?.length === 0 && (
          <div className="empty">
            <Pin size={32} />
            <p>{conversation.nothingPinned}</p>
          </div>
        )}
        <div className="person-list">
          {pins?.map((message) => (
            <MessageHit key={message.id} message={message} highlight={summaryOf(message)} onPick={onPick} />
          ))}
        </div>
      </div>
    </Panel>
  );
}

import type { ParleyClient } from '@parley/client';
import type { CallOutput } from '@parley/contracts';
import { useEffect, useState } from 'react';
import { useClient, useUser } from '../shared/chat.ts';
import { Avatar } from '../people/avatar.tsx';
import { Dialog } from '../shared/dialog.tsx';
import { momentOf } from '../shared/times.ts';
import { attempt } from '../shared/toasts.tsx';
import { useStrings } from '../strings/strings.tsx';

type Receipts = CallOutput<'message.receipts'>;

/** The dialog that shows who received and read a message. */
export function ReceiptsDialog({ messageId, onClose }: { readonly messageId: string; readonly onClose: () => void }) {
  const { messages } = useStrings();
  const client = useClient();
  const [receipts, setReceipts] = useState<Receipts>();
  useEffect(() => {
    void attempt(async () => setReceipts(await allReceipts(client, messageId)));
  }, [client, messageId]);
  return (
    <Dialog title={messages.whoHasIt} onClose={onClose}>
      {!receipts && <div className="spinner" />}
      {receipts && <ReceiptList title={messages.readBy} entries={receipts.read} />}
      {receipts && <ReceiptList title={messages.deliveredTo} entries={receipts.delivered} />}
    </Dialog>
  );
}

async function allReceipts(client: ParleyClient, messageId: string): Promise<Receipts> {
  const all: Receipts = { delivered: [], read: [] };
  let cursor: string | undefined;
  do {
    const page = await client.request<Receipts>('GET', `/messages/${messageId}/receipts`, { query: { cursor } });
    all.delivered.push(...page.delivered);
    all.read.push(...page.read);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return all;
}

function ReceiptList({ title, entries }: { readonly title: string; readonly entries: Receipts['read'] }) {
  const { messages } = useStrings();
  return (
    <section className="stack">
      <h3 className="muted small">{title}</h3>
      {entries.length === 0 && <p className="muted">{messages.nobodyYet}</p>}
      {entries.map(({ userId, at }) => (
        <ReceiptEntry key={userId} userId={userId} at={at} />
      ))}
    </section>
  );
}

function ReceiptEntry({ userId, at }: { readonly userId: string; readonly at: string }) {
  const user = useUser(userId);
  return (
    <div className="row">
      <Avatar user={user} size={36} />
      <span className="grow cut" dir="auto">
        {user?.displayName ?? '…'}
      </span>
      <time className="muted small" dateTime={at}>
        {momentOf(at)}
      </time>
    </div>
  );
}

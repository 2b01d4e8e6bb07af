import { foldName } from '@parley/contracts';
import type { ChatMessage } from '@parley/client';
import { useState } from 'react';
import { titleOf, useChat, useClient, usePartner, useView } from '../shared/chat.ts';
import { Avatar, RoomAvatar } from '../people/avatar.tsx';
import { Dialog } from '../shared/dialog.tsx';
import { useOpenPlace } from '../shared/places.tsx';
import { toast } from '../shared/toasts.tsx';
import { useStrings } from '../strings/strings.tsx';

/** The dialog that sends a message on to another conversation. */
export function ForwardDialog({ message, onClose }: { readonly message: ChatMessage; readonly onClose: () => void }) {
  const { messages } = useStrings();
  const order = useChat((state) => state.order);
  const [query, setQuery] = useState('');
  return (
    <Dialog title={messages.forwardTo} onClose={onClose}>
      <input
        className="input"
        type="search"
        aria-label={messages.searchConversations}
        placeholder={messages.searchConversations}
        value={query}
        onChange={(event) => setQuery(event.target.value)}
      />
      <div className="person-list">
        {order.map((id) => (
          <ForwardTarget key={id} id={id} query={query} message={message} onClose={onClose} />
        ))}
      </div>
    </Dialog>
  );
}

function ForwardTarget({
  id,
  query,
  message,
  onClose,
}: {
  readonly id: string;
  readonly query: string;
  readonly message: ChatMessage;
  readonly onClose: () => void;
}) {
  const { messages } = useStrings();
  const client = useClient();
  const openPlace = useOpenPlace();
  const { conversation } = useView(id)!;
  const partner = usePartner(id);
  const title = titleOf(conversation, partner);
  if (!foldName(title).includes(foldName(query.trim()))) return null;
  const send = () => {
    client.send(id, { forwardOf: message.id }).stored.catch(() => undefined);
    onClose();
    toast(messages.forwardedTo(title));
    openPlace({ conversation: id });
  };
  return (
    <button type="button" className="person" onClick={send}>
      {conversation.kind === 'direct' ? (
        <Avatar user={partner} size={36} />
      ) : (
        <RoomAvatar conversation={conversation} size={36} />
      )}
      <span className="cut" dir="auto">
        {title}
      </span>
    </button>
  );
}

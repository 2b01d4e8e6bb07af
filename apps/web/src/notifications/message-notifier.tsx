import { useEffect, useState } from 'react';
import { useRoute } from 'wouter';
import { useChat, useClient } from '../shared/chat.ts';
import { chime, notifyOf } from './notifications.ts';
import { peersOf } from '../peer/peer-chat.ts';
import { summaryOf } from '../messages/message.tsx';
import { toast } from '../shared/toasts.tsx';

/** Tells of new messages: screen readers of those in the open conversation, everybody of others by sound and the system's notifications; and the window's title counts. */
export function Announcer() {
  const client = useClient();
  const [, params] = useRoute('/c/:id');
  const open = params?.id;
  const [text, setText] = useState('');
  useEffect(
    () =>
      client.on('message', ({ message }) => {
        const { conversations, user } = client.getState();
        const view = conversations.get(message.conversationId);
        if (message.type === 'system' || !view) return;
        const looking = message.conversationId === open && document.hasFocus();
        // Of somebody who writes for the first time the name is not here yet.
        void client
          .user(message.senderId)
          .then(
            ({ displayName }) => displayName,
            () => 'Somebody',
          )
          .then((sender) => {
            if (looking) setText(`${sender}: ${summaryOf(message)}`);
            else notifyOf(view, message, sender, user?.id);
          });
      }),
    [client, open],
  );
  // Somebody asks for a direct connection; the conversation itself has the buttons.
  useEffect(
    () =>
      peersOf(client).onRing((id) => {
        if (id !== open) toast('Somebody wants to talk directly. Open your chat with them to answer.');
        chime();
      }),
    [client, open],
  );
  const unread = useChat(({ conversations }) =>
    [...conversations.values()].reduce(
      (sum, view) => sum + (view.conversation.me?.notifications === 'none' ? 0 : view.unread),
      0,
    ),
  );
  useEffect(() => {
    // A title costs more than it looks: it goes to the browser's own window.
    const timer = setTimeout(() => {
      document.title = unread > 0 ? `(${unread}) Parley` : 'Parley';
    }, 300);
    return () => clearTimeout(timer);
  }, [unread]);
  return (
    <div className="hidden-text" role="status" aria-live="polite">
      {text}
    </div>
  );
}

import { useEffect, useState } from 'react';
import { useRoute } from 'wouter';
import { peerChatsOf, summaryOf, toast, useChat, useClient } from '@parley/react-ui/parts';
import { playSound, notify } from './notifications.ts';

/**
 * Reports new messages: those of the open conversation to screen readers, others by sound and by the system's
 * notifications. Shows the number of unread messages in the title of the window.
 */
export function MessageNotifier() {
  const client = useClient();
  const [, params] = useRoute('/c/:id');
  const openId = params?.id;
  const [announcement, setAnnouncement] = useState('');
  useEffect(
    () =>
      client.on('message', ({ message }) => {
        const { conversations, user } = client.getState();
        const view = conversations.get(message.conversationId);
        if (message.type === 'system' || !view) return;
        const isOnScreen = message.conversationId === openId && document.hasFocus();
        // The name of a new sender is not loaded yet.
        void client
          .user(message.senderId)
          .then(
            ({ displayName }) => displayName,
            () => 'Somebody',
          )
          .then((sender) => {
            if (isOnScreen) setAnnouncement(`${sender}: ${summaryOf(message)}`);
            else notify(view, message, sender, user?.id);
          });
      }),
    [client, openId],
  );
  // Somebody calls for a direct connection. The conversation itself shows the buttons.
  useEffect(
    () =>
      peerChatsOf(client).onRing((id) => {
        if (id !== openId) toast('Somebody wants to talk directly. Open your chat with them to answer.');
        playSound();
      }),
    [client, openId],
  );
  const unread = useChat(({ conversations }) =>
    [...conversations.values()].reduce(
      (sum, view) => sum + (view.conversation.me?.notifications === 'none' ? 0 : view.unread),
      0,
    ),
  );
  useEffect(() => {
    // Changing the title is slow, because it goes to the browser's own window.
    const timer = setTimeout(() => {
      document.title = unread > 0 ? `(${unread}) Parley` : 'Parley';
    }, 300);
    return () => clearTimeout(timer);
  }, [unread]);
  return (
    <div className="hidden-text" role="status" aria-live="polite">
      {announcement}
    </div>
  );
}

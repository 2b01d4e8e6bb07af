import { useEffect, useRef, useState } from 'react';
import { useLocation, useRoute } from 'wouter';
import {
  currentStrings,
  attempt,
  isAttended,
  peerChatsOf,
  summaryOf,
  toast,
  useChat,
  useClient,
  useMe,
} from '@parley/react-ui/parts';
import {
  canPlay,
  closeNotifications,
  isEnabled,
  isWanted,
  onNotificationClick,
  playSound,
  showNotification,
} from './notifications.ts';
import { OneTab } from './one-tab.ts';
import { currentAppStrings } from '../strings/app-strings.tsx';

/**
 * Reports new messages: those of the open conversation to screen readers, others by sound and by the system's
 * notifications, in one of the user's tabs. Shows the number of unread messages in the title of the window.
 */
export function MessageNotifier() {
  const client = useClient();
  const { id: ownId } = useMe();
  const [, navigate] = useLocation();
  const [, params] = useRoute('/c/:id');
  const openId = useRef(params?.id);
  openId.current = params?.id;
  const [announcement, setAnnouncement] = useState('');

  useEffect(() => {
    const tabs = new OneTab(ownId, (conversationId) => ({
      shows: conversationId === openId.current && isAttended(),
      attended: isAttended(),
      canPlay: canPlay(),
    }));
    const stopMessages = client.on('message', ({ message }) => {
      const view = client.getState().conversations.get(message.conversationId);
      if (message.type === 'system' || !view) return;
      const isOnScreen = message.conversationId === openId.current && document.hasFocus();
      void attempt(async () => {
        // The name of a new sender is not loaded yet.
        const sender = await client.user(message.senderId).then(
          ({ displayName }) => displayName,
          () => currentStrings().common.somebody,
        );
        if (isOnScreen) setAnnouncement(currentAppStrings().notifications.announcement(sender, summaryOf(message)));
        if (!isWanted(view, message, ownId)) return;
        const { isMine, attended } = await tabs.decide(message.id, message.conversationId);
        if (!isMine) return;
        if (isEnabled('sound')) playSound();
        if (isEnabled('system') && !attended)
          await showNotification(view, message, sender, () => navigate(`/c/${message.conversationId}`));
      });
    });
    // Somebody calls for a direct connection. The conversation itself shows the buttons.
    const stopRings = peerChatsOf(client).onRing((id, call) => {
      if (id !== openId.current) toast(currentAppStrings().notifications.call);
      void tabs.decide(`call ${call}`, id).then(({ isMine }) => isMine && playSound());
    });
    return () => {
      stopMessages();
      stopRings();
      tabs.close();
      void closeNotifications();
    };
  }, [client, navigate, ownId]);

  useEffect(() => onNotificationClick(({ conversationId }) => navigate(`/c/${conversationId}`)), [navigate]);

  // What is on the screen needs no notification any more.
  const shownId = params?.id;
  useEffect(() => {
    if (shownId === undefined) return undefined;
    const onFocus = () => isAttended() && void closeNotifications(shownId);
    onFocus();
    addEventListener('focus', onFocus);
    return () => removeEventListener('focus', onFocus);
  }, [shownId]);

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

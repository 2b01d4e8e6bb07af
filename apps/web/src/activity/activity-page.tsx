import type { Notification } from '@parley/contracts';
import { AtSign, Bell, Reply, UserPlus } from 'lucide-react';
import { useEffect } from 'react';
import { Link } from 'wouter';
import {
  Avatar,
  momentOf,
  sinceOf,
  summaryOf,
  titleOf,
  useChat,
  useClient,
  usePartner,
  useUser,
  useView,
} from '@parley/react-ui/parts';
import { activityOf, isUnread, useActivity } from './activity.ts';
import './activity.css';

/** Mentions of the user, replies to their messages, and invitations: since when, and where. */
export default function ActivityPage() {
  const client = useClient();
  const { items, state, nextCursor } = useActivity();
  useEffect(() => void activityOf(client).refresh(), [client]);
  return (
    <div className="page">
      <div className="page-inner">
        <h1>Activity</h1>
        {items.length === 0 && state === 'unknown' && <div className="spinner" role="img" aria-label="Loading" />}
        {state === 'failed' && <p className="notice">What is new is shown as soon as the server answers.</p>}
        {items.length === 0 && state === 'loaded' && (
          <div className="empty">
            <Bell size={40} strokeWidth={1.5} />
            <h2>Nothing yet</h2>
            <p>Mentions of you, replies to your messages and invitations appear here.</p>
          </div>
        )}
        {items.length > 0 && (
          <ul className="card activity" aria-label="Mentions, replies and invitations">
            {items.map((item) => (
              <Entry key={`${item.kind} ${item.conversationId} ${item.seq}`} item={item} />
            ))}
          </ul>
        )}
        {nextCursor !== undefined && (
          <div>
            <button type="button" className="button" onClick={() => void activityOf(client).loadMore()}>
              Show more
            </button>
          </div>
        )}
      </div>
    </div>
  );
}

const kinds = {
  mention: { Icon: AtSign, text: 'mentioned you' },
  reply: { Icon: Reply, text: 'replied to you' },
  invitation: { Icon: UserPlus, text: 'added you' },
} as const;

function Entry({ item }: { readonly item: Notification }) {
  const { kind, at, conversationId, userId, seq, message } = item;
  const user = useUser(userId);
  const view = useView(conversationId);
  const partner = usePartner(conversationId);
  const unread = useChat(({ conversations }) => isUnread(item, (id) => conversations.get(id)?.readSeq));
  const { Icon, text } = kinds[kind as keyof typeof kinds] ?? { Icon: Bell, text: 'has news for you' };
  const place = view && (view.conversation.kind === 'direct' ? undefined : titleOf(view.conversation, partner));
  return (
    <li>
      <Link href={message ? `/c/${conversationId}?at=${seq}` : `/c/${conversationId}`} className="person">
        <span className="activity-face">
          <Avatar user={user} size={40} />
          <Icon size={14} aria-hidden="true" />
        </span>
        <span className="grow">
          <span className="row">
            <span className="grow cut">
              <strong>{user?.displayName ?? '…'}</strong> {text}
              {place !== undefined && ` ${kind === 'invitation' ? 'to' : 'in'} ${place}`}
            </span>
            <time className="muted small" dateTime={at} title={momentOf(at)}>
              {sinceOf(at)}
            </time>
            {unread && <span className="activity-new" role="img" aria-label="Unread" />}
          </span>
          {message && <small className="cut">{summaryOf(message)}</small>}
          {!message && view?.conversation.topic && <small className="cut">{view.conversation.topic}</small>}
        </span>
      </Link>
    </li>
  );
}

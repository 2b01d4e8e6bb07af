import type { Notification } from '@parley/contracts';
import { AtSign, Bell, Reply, UserPlus } from 'lucide-react';
import { useEffect } from 'react';
import { Link } from 'wouter';
import { useStrings } from '@parley/react-ui';
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
import { useAppStrings } from '../strings/app-strings.tsx';
import './activity.css';

/** Mentions of the user, replies to their messages, and invitations: since when, and where. */
export default function ActivityPage() {
  const { activity } = useAppStrings();
  const { common } = useStrings();
  const client = useClient();
  const { items, state, nextCursor } = useActivity();
  useEffect(() => void activityOf(client).refresh(), [client]);
  return (
    <div className="page">
      <div className="page-inner">
        <h1>{activity.title}</h1>
        {items.length === 0 && state === 'unknown' && (
          <div className="spinner" role="img" aria-label={common.loading} />
        )}
        {state === 'failed' && <p className="notice">{activity.offline}</p>}
        {items.length === 0 && state === 'loaded' && (
          <div className="empty">
            <Bell size={40} strokeWidth={1.5} />
            <h2>{activity.none}</h2>
            <p>{activity.noneHint}</p>
          </div>
        )}
        {items.length > 0 && (
          <ul className="card activity" aria-label={activity.list}>
            {items.map((item) => (
              <Entry key={`${item.kind} ${item.conversationId} ${item.seq}`} item={item} />
            ))}
          </ul>
        )}
        {nextCursor !== undefined && (
          <div>
            <button type="button" className="button" onClick={() => void activityOf(client).loadMore()}>
              {activity.showMore}
            </button>
          </div>
        )}
      </div>
    </div>
  );
}

const icons = { mention: AtSign, reply: Reply, invitation: UserPlus } as const;

function Entry({ item }: { readonly item: Notification }) {
  const { activity } = useAppStrings();
  const { kind, at, conversationId, userId, seq, message } = item;
  const user = useUser(userId);
  const view = useView(conversationId);
  const partner = usePartner(conversationId);
  const unread = useChat(({ conversations }) => isUnread(item, (id) => conversations.get(id)?.readSeq));
  const knownKind = kind in icons ? (kind as keyof typeof icons) : 'unknown';
  const Icon = knownKind === 'unknown' ? Bell : icons[knownKind];
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
            <span className="grow cut">{activity.entries[knownKind](user?.displayName ?? '…', place)}</span>
            <time className="muted small" dateTime={at} title={momentOf(at)}>
              {sinceOf(at)}
            </time>
            {unread && <span className="activity-new" role="img" aria-label={activity.unread} />}
          </span>
          {message && <small className="cut">{summaryOf(message)}</small>}
          {!message && view?.conversation.topic && <small className="cut">{view.conversation.topic}</small>}
        </span>
      </Link>
    </li>
  );
}

import type { Found, User } from '@parley/contracts';
import { BellOff, Search, SquarePen, TextSearch } from 'lucide-react';
import { memo, useCallback, useContext, useEffect, useState } from 'react';
import {
  titleOf,
  useChat,
  useClient,
  useMe,
  usePartner,
  useWatchedPresence,
  useUser,
  useView,
} from '../shared/chat.ts';
import { Avatar, RoomAvatar } from '../people/avatar.tsx';
import { lineOf } from '../conversation/draft.ts';
import { useDraft } from '../conversation/drafts.ts';
import { Highlight } from '../shared/highlight.tsx';
import { summaryOf } from '../messages/summary.ts';
import { removalText, useRemovals } from '../conversation/removal.ts';
import { NewChat } from '../new-chat/new-chat.tsx';
import { systemText } from '../messages/system-text.ts';
import { PlaceLink, PlacesContext, useOpenConversationId, useOpenPlace } from '../shared/places.tsx';
import { briefTimeOf } from '../shared/times.ts';
import { attempt, toast } from '../shared/toasts.tsx';
import { currentStrings, useStrings } from '../strings/strings.tsx';
import { useSearch } from '../shared/search.ts';
import { useIsGone } from '../shared/undo.ts';

/**
 * The user's conversations, and a search over conversations, people and messages. `onFind` opens a dialog that finds
 * everything; without it there is no button for it.
 */
export function Sidebar({ onFind }: { readonly onFind?: () => void }) {
  const { sidebar } = useStrings();
  const [query, setQuery] = useState('');
  const [creating, setCreating] = useState(false);
  useRemovalToasts();
  return (
    <aside className="side" aria-label={sidebar.region}>
      <header className="side-head">
        <h1 tabIndex={-1}>{sidebar.title}</h1>
        {onFind && (
          <button
            type="button"
            className="icon-button"
            aria-label={sidebar.findAnything}
            title={sidebar.findAnything}
            aria-keyshortcuts="Control+K Meta+K"
            onClick={onFind}
          >
            <TextSearch size={20} />
          </button>
        )}
        <button
          type="button"
          className="icon-button"
          aria-label={sidebar.newChat}
          title={sidebar.newChat}
          onClick={() => setCreating(true)}
        >
          <SquarePen size={20} />
        </button>
      </header>
      <div className="side-search">
        <Search size={17} />
        <input
          className="input"
          type="search"
          placeholder={sidebar.search}
          aria-label={sidebar.searchLabel}
          value={query}
          maxLength={100}
          onChange={(event) => setQuery(event.target.value)}
        />
      </div>
      <div className="side-list">
        {query.trim() === '' ? (
          <ConversationList onCreate={() => setCreating(true)} />
        ) : (
          <SearchResults query={query.trim()} onDone={() => setQuery('')} />
        )}
      </div>
      {creating && <NewChat onClose={() => setCreating(false)} />}
    </aside>
  );
}

/** Says why a conversation disappears from the list. The open one says so in its place. */
function useRemovalToasts(): void {
  const client = useClient();
  const openId = useOpenConversationId();
  useRemovals(
    useCallback(
      ({ conversationId, reason }) => {
        const { conversations, users } = client.getState();
        const view = conversations.get(conversationId);
        if (!view || reason === 'left' || conversationId === openId) return;
        const partner = view.partnerId === undefined ? undefined : users.get(view.partnerId);
        const strings = currentStrings();
        toast(strings.sidebar.removed(titleOf(view.conversation, partner), removalText(strings, reason)));
      },
      [client, openId],
    ),
  );
}

/** The user's conversations, the most recent first. `onCreate`: the user wants to start one. */
export function ConversationList({ onCreate }: { readonly onCreate: () => void }) {
  const order = useChat((state) => state.order);
  // Conversations may be known and not listed: others began them, and have not written yet.
  const isKnown = useChat(({ conversations }) => conversations.size > 0);
  const hasNone = useHasNoConversations(order.length === 0) || isKnown;
  const { hasRooms = false } = useContext(PlacesContext);
  const { common, sidebar } = useStrings();
  const offline = useChat(({ connection }) => connection === 'offline');
  if (order.length === 0) {
    if (!hasNone && offline)
      return (
        <div className="empty">
          <p>{sidebar.offline}</p>
        </div>
      );
    if (!hasNone)
      return (
        <div className="empty">
          <div className="spinner" role="img" aria-label={common.loading} />
        </div>
      );
    return (
      <div className="empty">
        <h2>{sidebar.none}</h2>
        <p>{sidebar.noneHint}</p>
        <button type="button" className="button primary" onClick={onCreate}>
          {sidebar.startChat}
        </button>
        {hasRooms && (
          <PlaceLink to="rooms" className="button">
            {sidebar.browseRooms}
          </PlaceLink>
        )}
      </div>
    );
  }
  return (
    <nav aria-label={sidebar.list}>
      {order.map((id) => (
        <ConversationLink key={id} id={id} />
      ))}
    </nav>
  );
}

/** Whether the server says that the user has no conversations. An empty list may be one that has not arrived yet. */
function useHasNoConversations(isEmpty: boolean): boolean {
  const client = useClient();
  const online = useChat(({ connection }) => connection === 'online');
  const [hasNone, setHasNone] = useState(false);
  useEffect(() => {
    if (!isEmpty || !online) return;
    client.request<{ items: readonly unknown[] }>('GET', '/conversations', { query: { limit: 1 } }).then(
      ({ items }) => setHasNone(items.length === 0),
      () => undefined,
    );
  }, [client, isEmpty, online]);
  return hasNone;
}

/** One conversation of the list. */
const ConversationLink = memo(function ConversationLink({ id }: { readonly id: string }) {
  const view = useView(id);
  const partner = usePartner(id);
  useWatchedPresence(partner ? [partner.id] : []);
  const state = useChat(({ presence }) => (partner ? presence.get(partner.id)?.state : undefined));
  const openId = useOpenConversationId();
  const isGone = useIsGone(`conversation/${id}`);
  const { sidebar } = useStrings();
  if (!view || isGone) return null;
  const { conversation, unread, mentions } = view;
  const last = conversation.lastMessage;
  return (
    <PlaceLink to={{ conversation: id }} className="talk" aria-current={openId === id ? 'page' : undefined}>
      {conversation.kind === 'direct' ? (
        <Avatar user={partner} size={46} presence={state} />
      ) : (
        <RoomAvatar conversation={conversation} size={46} />
      )}
      <span className="talk-text">
        <span className="talk-line">
          <strong className="cut" dir="auto">
            {titleOf(conversation, partner)}
          </strong>
          {last && <time dateTime={last.createdAt}>{briefTimeOf(last.createdAt)}</time>}
        </span>
        <span className="talk-line">
          <LastMessage id={id} />
          {conversation.me?.notifications === 'none' && (
            <BellOff size={14} className="muted" aria-label={sidebar.muted} />
          )}
          {mentions > 0 && (
            <span className="badge at" role="img" aria-label={sidebar.mentioned}>
              @
            </span>
          )}
          {unread > 0 && (
            <span className="badge" role="img" aria-label={sidebar.unread(unread)}>
              {sidebar.unreadBadge(unread)}
            </span>
          )}
        </span>
      </span>
    </PlaceLink>
  );
});

function LastMessage({ id }: { readonly id: string }) {
  const me = useMe();
  const strings = useStrings();
  const { sidebar } = strings;
  const { conversation, typing } = useView(id)!;
  const last = conversation.lastMessage;
  const isDeleted = useIsGone(`message/${last?.id ?? ''}`);
  const waiting = useChat(({ pending }) => pending.get(id)?.findLast(({ status }) => status !== 'failed'));
  const sender = useUser(last?.senderId);
  const subject = useUser(last?.system?.userId);
  // What is being written in the open conversation is in its composer.
  const draft = lineOf(useDraft(id));
  const openId = useOpenConversationId();
  const shownDraft = openId === id ? undefined : draft;
  if (typing.length > 0) return <span className="cut live">{sidebar.typing}</span>;
  if (shownDraft !== undefined)
    return (
      <span className="cut" dir="auto">
        <span className="draft">{sidebar.draft}</span> {shownDraft}
      </span>
    );
  if (waiting)
    return (
      <span className="cut" dir="auto">
        {sidebar.lastMessage(summaryOf(waiting), { name: me.displayName, isMe: true })}
      </span>
    );
  if (!last)
    return (
      <span className="cut" dir="auto">
        {conversation.topic ?? sidebar.noMessages}
      </span>
    );
  if (last.type === 'system')
    return (
      <span className="cut" dir="auto">
        {systemText(
          strings,
          last.system,
          { name: sender?.displayName, isMe: last.senderId === me.id },
          { name: subject?.displayName, isMe: subject?.id === me.id },
        )}
      </span>
    );
  const isMine = last.senderId === me.id;
  const name = sender?.displayName.split(' ')[0] ?? '…';
  const summary = isDeleted ? strings.undo.messageDeleted : summaryOf(last);
  return (
    <span className="cut" dir="auto">
      {isMine || conversation.kind !== 'direct' ? sidebar.lastMessage(summary, { name, isMe: isMine }) : summary}
    </span>
  );
}

function SearchResults({ query, onDone }: { readonly query: string; readonly onDone: () => void }) {
  const client = useClient();
  const me = useMe();
  const openPlace = useOpenPlace();
  const { sidebar } = useStrings();
  const order = useChat((state) => state.order);
  const people = useSearch<User>('/users', { query, limit: 8 });
  const messages = useSearch<Found>('/search/messages', { q: query, limit: 10 });
  const others = people.items.filter(({ id, kind }) => id !== me.id && kind !== 'bot');
  const openDirect = (user: User) =>
    void attempt(async () => {
      const { conversation } = await client.call('conversation:create', { kind: 'direct', memberIds: [user.id] });
      openPlace({ conversation: conversation.id });
      onDone();
    });
  return (
    <div aria-live="polite">
      <h2>{sidebar.conversations}</h2>
      {order.map((id) => (
        <MatchingConversation key={id} id={id} query={query} />
      ))}
      {others.length > 0 && <h2>{sidebar.people}</h2>}
      {others.map((user) => (
        <button key={user.id} type="button" className="talk" onClick={() => openDirect(user)}>
          <Avatar user={user} size={40} />
          <span className="talk-text">
            <strong className="cut" dir="auto">
              {user.displayName}
            </strong>
            <span className="cut muted small">@{user.username}</span>
          </span>
        </button>
      ))}
      {messages.items.length > 0 && <h2>{sidebar.messages}</h2>}
      {messages.items.map(({ message, highlight }) => (
        <PlaceLink key={message.id} to={{ conversation: message.conversationId, at: message.seq }} className="talk">
          <span className="talk-text">
            <HitTitle message={message} />
            <span className="cut small" dir="auto">
              <Highlight text={highlight} />
            </span>
          </span>
        </PlaceLink>
      ))}
      {(people.failed || messages.failed) && <p className="empty">{sidebar.searchLater}</p>}
      {people.done && messages.done && others.length === 0 && messages.items.length === 0 && (
        <p className="empty">{sidebar.nothingFound(query)}</p>
      )}
    </div>
  );
}

function MatchingConversation({ id, query }: { readonly id: string; readonly query: string }) {
  const view = useView(id);
  const partner = usePartner(id);
  if (!view || !titleOf(view.conversation, partner).toLowerCase().includes(query.toLowerCase())) return null;
  return <ConversationLink id={id} />;
}

function HitTitle({ message }: { readonly message: Found['message'] }) {
  const view = useView(message.conversationId);
  const partner = usePartner(message.conversationId);
  return (
    <span className="talk-line">
      <strong className="cut" dir="auto">
        {view ? titleOf(view.conversation, partner) : '…'}
      </strong>
      <time dateTime={message.createdAt}>{briefTimeOf(message.createdAt)}</time>
    </span>
  );
}

import type { ClientState } from '@parley/client';
import type { Conversation, Found, User } from '@parley/contracts';
import { useId, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';
import { useLocation } from 'wouter';
import {
  Avatar,
  Dialog,
  Highlight,
  RoomAvatar,
  attempt,
  isOfIme,
  openDirectConversation,
  titleOf,
  useChat,
  useClient,
  useMe,
  useSearch,
} from '@parley/react-ui/parts';
import type { Action } from './actions.tsx';
import { matches, merge, type Entry } from './merge.ts';
import { useAppStrings, type AppStrings } from '../strings/app-strings.tsx';
import './find.css';

interface Hit extends Entry {
  readonly kind: keyof AppStrings['find']['kinds'];
  readonly icon: ReactNode;
  readonly title: ReactNode;
  readonly detail?: ReactNode;
  readonly run: () => void;
}

/** Maximum number of chats, and of people that the client knows already. */
const MAX_LOCAL = 8;

interface Props {
  readonly actions: readonly Action[];
  readonly onClose: () => void;
}

/** One field that finds everything. What the client knows is shown at once, and the server's results below it. */
export default function FindDialog({ actions, onClose }: Props) {
  const { find } = useAppStrings();
  const listId = useId();
  const list = useRef<HTMLDivElement>(null);
  const [query, setQuery] = useState('');
  const [selectedKey, setSelectedKey] = useState<string>();
  const { hits, isBusy, failed } = useHits(query.trim(), actions);
  const at = Math.max(
    0,
    hits.findIndex(({ key }) => key === selectedKey),
  );
  const choose = (hit: Hit | undefined) => {
    if (!hit) return;
    onClose();
    hit.run();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (isOfIme(event)) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && hits.length > 0) {
      const next = (at + step + hits.length) % hits.length;
      setSelectedKey(hits[next]!.key);
      list.current?.children[next]?.scrollIntoView({ block: 'nearest' });
    } else if (event.key === 'Enter') choose(hits[at]);
    else return;
    event.preventDefault();
  };
  // The first one counts as selected from when it is shown, so that later ones do not take its place.
  if (selectedKey === undefined && hits[0]) setSelectedKey(hits[0].key);
  return (
    <Dialog title={find.title} onClose={onClose}>
      <input
        // React's autoFocus comes too early for a dialog, which looks for the attribute when it opens.
        ref={(field) => field?.setAttribute('autofocus', '')}
        className="input"
        type="text"
        role="combobox"
        aria-label={find.label}
        aria-expanded="true"
        aria-controls={listId}
        aria-activedescendant={hits[at] && `${listId}-${at}`}
        aria-autocomplete="list"
        placeholder={find.placeholder}
        autoComplete="off"
        spellCheck={false}
        enterKeyHint="go"
        dir="auto"
        maxLength={100}
        value={query}
        onChange={(event) => {
          setQuery(event.target.value);
          setSelectedKey(undefined);
        }}
        onKeyDown={onKeyDown}
      />
      <div ref={list} id={listId} className="finds" role="listbox" aria-label={find.found}>
        {hits.map((hit, index) => (
          // eslint-disable-next-line jsx-a11y/click-events-have-key-events -- the field has the keys
          <div
            key={hit.key}
            id={`${listId}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === at}
            className="find"
            onClick={() => choose(hit)}
          >
            {hit.icon}
            <span className="grow">
              <span className="cut" dir="auto">
                {hit.title}
              </span>
              {hit.detail !== undefined && (
                <small className="cut muted" dir="auto">
                  {hit.detail}
                </small>
              )}
            </span>
            <small className="muted">{find.kinds[hit.kind]}</small>
          </div>
        ))}
      </div>
      <p className="muted small" role="status">
        {failed ? find.offline : isBusy ? find.searching : hits.length === 0 ? find.nothing(query.trim()) : find.keys}
      </p>
    </Dialog>
  );
}

function useHits(query: string, actions: readonly Action[]) {
  const client = useClient();
  const me = useMe();
  const [, navigate] = useLocation();
  const state = useChat((whole) => whole);
  const asked = <T extends object>(path: string, input: Record<string, string | number>) =>
    // eslint-disable-next-line react-hooks/rules-of-hooks -- always called three times, in this order
    useSearch<T>(query === '' ? undefined : path, input);
  const people = asked<User>('/users', { query, limit: 8 });
  const rooms = asked<Conversation>('/conversations/public', { query, limit: 8 });
  const messages = asked<Found>('/search/messages', { q: query, limit: 10 });

  const chats = chatHits(state, query, navigate);
  const partners = new Set([...state.conversations.values()].map(({ partnerId }) => partnerId));
  const personHit = (user: User): Hit => ({
    key: `person ${user.id}`,
    kind: 'person',
    icon: <Avatar user={user} size={32} />,
    title: user.displayName,
    detail: `@${user.username}`,
    run: () => void attempt(async () => navigate(`/c/${await openDirectConversation(client, user.id)}`)),
  });
  const isOther = ({ id, kind }: User) => id !== me.id && kind !== 'bot' && !partners.has(id);
  const known =
    query === '' ? [] : [...state.users.values()].filter((user) => matches(query, user.displayName, user.username));
  const actionHits = actions
    .filter(({ label, words }) => matches(query, label, words))
    .map((action): Hit => ({
      key: `action ${action.key}`,
      kind: 'action',
      icon: action.icon,
      title: action.label,
      run: action.run,
    }));
  const roomHits = (rooms.done ? rooms.items : [])
    .filter(({ id }) => !state.conversations.has(id))
    .map((room): Hit => ({
      key: `room ${room.id}`,
      kind: 'room',
      icon: <RoomAvatar conversation={room} size={32} />,
      title: titleOf(room),
      detail: room.topic,
      run: () => navigate(`/r/${room.id}`),
    }));
  const messageHits = (messages.done ? messages.items : []).map(({ message, highlight }): Hit => {
    const view = state.conversations.get(message.conversationId);
    return {
      key: `message ${message.id}`,
      kind: 'message',
      icon: (
        <Avatar user={state.users.get(message.senderId) ?? (message.senderId === me.id ? me : undefined)} size={32} />
      ),
      title: <Highlight text={highlight} />,
      detail: view && titleOf(view.conversation, partnerOf(state, view.partnerId)),
      run: () => navigate(`/c/${message.conversationId}?at=${message.seq}`),
    };
  });
  const found = [
    ...chats,
    ...known.filter(isOther).slice(0, MAX_LOCAL).map(personHit),
    ...actionHits,
    ...(people.done ? people.items : []).filter(isOther).map(personHit),
    ...roomHits,
    ...messageHits,
  ];
  const shown = useRef<{ readonly query: string; readonly hits: readonly Hit[] }>({ query, hits: [] });
  const hits = merge(shown.current.query === query ? shown.current.hits : [], found);
  shown.current = { query, hits };
  const searches = [people, rooms, messages];
  return {
    hits,
    isBusy: query !== '' && !searches.every(({ done, failed }) => done || failed),
    failed: searches.some(({ failed }) => failed),
  };
}

const partnerOf = ({ users }: ClientState, id: string | undefined): User | undefined =>
  id === undefined ? undefined : users.get(id);

/** The user's own conversations, most recently active first. */
function chatHits(state: ClientState, query: string, navigate: (path: string) => void): Hit[] {
  return state.order
    .flatMap((id) => state.conversations.get(id) ?? [])
    .map(({ conversation, partnerId }) => ({ conversation, partner: partnerOf(state, partnerId) }))
    .filter(({ conversation, partner }) => matches(query, titleOf(conversation, partner), partner?.username))
    .slice(0, MAX_LOCAL)
    .map(({ conversation, partner }) => ({
      key: `chat ${conversation.id}`,
      kind: 'chat',
      icon:
        conversation.kind === 'direct' ? (
          <Avatar user={partner} size={32} />
        ) : (
          <RoomAvatar conversation={conversation} size={32} />
        ),
      title: titleOf(conversation, partner),
      detail: partner ? `@${partner.username}` : conversation.topic,
      run: () => navigate(`/c/${conversation.id}`),
    }));
}

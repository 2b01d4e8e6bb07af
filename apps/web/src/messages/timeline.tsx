import type { LoadOptions } from '@parley/client';
import { ArrowDown } from 'lucide-react';
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import { titleOf, useChat, useClient, useMe, usePartner, useView } from '../shared/chat.ts';
import { explain } from '../shared/errors.ts';
import { Avatar, RoomAvatar } from '../people/avatar.tsx';
import { MessageRow } from './message.tsx';
import { dayOf } from '../shared/times.ts';
import { around, boundsOf, grown, rowsOf, type RowRange } from './timeline-rows.ts';
import './timeline.css';
import { attempt, toast } from '../shared/toasts.tsx';

/** Distance from an end, in pixels, within which more is loaded. */
const LOAD_DISTANCE = 700;
/** Distance from the end, in pixels, within which the timeline stays at the newest message. */
const BOTTOM_DISTANCE = 60;

/** A request to show a message. `id` tells apart two requests for the same message. */
export interface Jump {
  readonly seq: number;
  readonly id: number;
}

interface Props {
  readonly id: string;
  readonly jump: Jump | undefined;
  readonly onJump: (seq: number) => void;
  readonly onReply: (messageId: string) => void;
  readonly onEdit: (messageId: string) => void;
}

/**
 * The messages. At most 150 of them are in the page: real rows that are added and removed at both ends, instead of
 * estimated heights. When something changes above or below, the topmost visible row stays where it is, or the newest
 * message if the user is at the end.
 */
export function Timeline({ id, jump, onJump, onReply, onEdit }: Props) {
  const client = useClient();
  const me = useMe();
  const view = useView(id)!;
  const { messages, hasBefore, hasAfter, kept } = view;
  const [unreadAfter] = useState(() => (view.unread > 0 ? view.readSeq : undefined));
  const [range, setRange] = useState<RowRange>(() => firstRange(rowsOf(messages, me.id, unreadAfter)));
  const rows = useMemo(() => rowsOf(messages, me.id, unreadAfter), [messages, me.id, unreadAfter]);
  const keys = useMemo(() => rows.map(({ key }) => key), [rows]);
  const [from, to] = boundsOf(range, keys);
  const following = to === keys.length && !hasAfter;

  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  /** The element that stays in place: the topmost row, with the distance of its top from the edge, or the bottom. */
  const anchor = useRef<{ readonly key: string; readonly top: number } | 'bottom'>('bottom');
  const target = useRef<string>(undefined);
  const busy = useRef(false);
  const unmounted = useRef(new AbortController());
  useEffect(() => () => unmounted.current.abort(), []);
  const loadIfNeeded = useRef<() => void>(() => undefined);
  const [isAway, setAway] = useState(false);
  const offline = useChat(({ connection }) => connection === 'offline');

  const latest = useRef({ range, keys, from, to, hasBefore, hasAfter, following, kept });
  latest.current = { range, keys, from, to, hasBefore, hasAfter, following, kept };

  const rowAt = (key: string) =>
    content.current?.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`) ?? undefined;

  const saveAnchor = useCallback(() => {
    const box = scroller.current;
    if (!box) return;
    const distance = box.scrollHeight - box.scrollTop - box.clientHeight;
    const atEnd = latest.current.following && distance < BOTTOM_DISTANCE;
    setAway(!latest.current.following || distance > 400);
    if (atEnd) {
      anchor.current = 'bottom';
      return;
    }
    const edge = box.getBoundingClientRect().top;
    for (const row of content.current!.querySelectorAll<HTMLElement>('[data-key]')) {
      const { bottom, top } = row.getBoundingClientRect();
      if (bottom <= edge) continue;
      anchor.current = { key: row.dataset['key']!, top: top - edge };
      return;
    }
  }, []);

  const restoreAnchor = useCallback(() => {
    const box = scroller.current;
    if (!box) return;
    if (anchor.current === 'bottom') box.scrollTop = box.scrollHeight;
    else {
      const row = rowAt(anchor.current.key);
      if (row) box.scrollTop += row.getBoundingClientRect().top - box.getBoundingClientRect().top - anchor.current.top;
    }
  }, []);

  /** Adds rows from memory, or loads messages from the server, if an end is near. */
  const fill = useCallback(() => {
    const box = scroller.current;
    if (!box || busy.current || target.current !== undefined) return;
    const now = latest.current;
    const loadMore = (load: (options: LoadOptions) => Promise<void>) => {
      if (now.kept) return;
      busy.current = true;
      const { signal } = unmounted.current;
      const onRetry = (error: unknown) => void (signal.aborted || toast(explain(error)));
      void load({ retry: true, signal, onRetry })
        // With too few rows to scroll, no event asks for more.
        .then(() => requestAnimationFrame(() => loadIfNeeded.current()), onRetry)
        .finally(() => (busy.current = false));
    };
    if (box.scrollTop < LOAD_DISTANCE) {
      if (now.from > 0) return setRange(grown(now.range, now.keys, 'older'));
      if (now.hasBefore) return loadMore((options) => client.loadOlder(id, options));
    }
    if (box.scrollHeight - box.scrollTop - box.clientHeight < LOAD_DISTANCE) {
      if (now.to < now.keys.length) return setRange(grown(now.range, now.keys, 'newer'));
      if (now.hasAfter) return loadMore((options) => client.loadNewer(id, options));
    }
    return undefined;
  }, [client, id]);

  loadIfNeeded.current = fill;

  const markRead = useCallback(() => {
    const box = scroller.current;
    if (!box || document.visibilityState !== 'visible' || !document.hasFocus()) return;
    const edge = box.getBoundingClientRect().bottom;
    const seen = [...content.current!.querySelectorAll<HTMLElement>('[data-seq]')].findLast(
      (row) => row.getBoundingClientRect().top < edge - 12,
    );
    const seq = Number(seen?.dataset['seq'] ?? 0);
    const { conversations, connection } = client.getState();
    const current = conversations.get(id);
    // The server may still report other unread messages.
    if (current?.kept && connection !== 'offline') return;
    if (current && seq > 0 && (seq > current.readSeq || current.unread > 0)) client.markRead(id, seq);
  }, [client, id]);

  // Keeps the position, then checks whether more rows are needed.
  useLayoutEffect(() => {
    if (target.current !== undefined) {
      const row = rowAt(target.current);
      if (row) {
        row.scrollIntoView({ block: 'center' });
        flash(row);
        target.current = undefined;
      }
    } else restoreAnchor();
    saveAnchor();
    fill();
    markRead();
  }, [rows, from, to, following, saveAnchor, restoreAnchor, fill, markRead]);

  // Pictures load, the window is resized, the composer grows.
  useEffect(() => {
    const observer = new ResizeObserver(() => {
      restoreAnchor();
      saveAnchor();
    });
    observer.observe(content.current!);
    observer.observe(scroller.current!);
    return () => observer.disconnect();
  }, [saveAnchor, restoreAnchor]);

  useEffect(() => {
    const box = scroller.current!;
    if (unreadAfter !== undefined) {
      const line = box.querySelector('.unread-line');
      if (line)
        box.scrollTop += line.getBoundingClientRect().top - box.getBoundingClientRect().top - box.clientHeight / 4;
      saveAnchor();
    }
    const events = ['focus', 'visibilitychange'] as const;
    for (const event of events) addEventListener(event, markRead);
    return () => {
      for (const event of events) removeEventListener(event, markRead);
    };
  }, [markRead, saveAnchor, unreadAfter]);

  useEffect(() => {
    if (!jump) return;
    let current = true;
    const show = async () => {
      const find = () => {
        const loaded = client.getState().conversations.get(id)?.messages ?? [];
        return { loaded, at: loaded.findIndex((message) => message.seq === jump.seq && !message.local) };
      };
      if (find().at < 0) await client.loadAround(id, jump.seq);
      const { loaded, at } = find();
      if (!current || at < 0) return;
      const loadedKeys = rowsOf(loaded, me.id, undefined).map(({ key }) => key);
      target.current = loadedKeys[at];
      anchor.current = { key: loadedKeys[at]!, top: 100 };
      setRange(around(at, loadedKeys));
    };
    void attempt(show);
    return () => {
      current = false;
    };
  }, [client, id, jump, me.id]);

  const toNewest = () => {
    anchor.current = 'bottom';
    void attempt(async () => {
      if (latest.current.hasAfter) await client.jumpToNewest(id);
      anchor.current = 'bottom';
      setRange({});
      requestAnimationFrame(restoreAnchor);
    });
  };

  // Shows the user's own new message, wherever they scrolled.
  const newest = messages.at(-1);
  const ownNewest = newest?.senderId === me.id && newest.local ? newest.clientId : undefined;
  useEffect(() => {
    if (ownNewest !== undefined) toNewest();
    // eslint-disable-next-line react-hooks/exhaustive-deps -- once for each message that is sent
  }, [ownNewest]);

  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const row = (event.target as HTMLElement).closest<HTMLElement>('[data-key]');
    if (step === undefined || !row || event.target !== row) return;
    const shownRows = [...content.current!.querySelectorAll<HTMLElement>('[data-key]')];
    const next = shownRows[shownRows.indexOf(row) + step];
    if (!next) return;
    event.preventDefault();
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: 'nearest' });
  };

  const { conversation } = view;
  const lastKey = keys[to - 1];
  return (
    <div className="timeline">
      <div
        ref={scroller}
        className="timeline-scroll"
        role="log"
        aria-live="off"
        aria-label="Messages"
        onKeyDown={onKeyDown}
        onScroll={() => {
          saveAnchor();
          fill();
          markRead();
        }}
      >
        <div ref={content} className="timeline-rows">
          {from === 0 && !hasBefore ? (
            <ConversationStart id={id} />
          ) : from === 0 && kept && offline ? (
            <p className="timeline-more muted small">Earlier messages are shown as soon as the server answers.</p>
          ) : (
            <div className="timeline-more">
              <div className="spinner" role="img" aria-label="Loading" />
            </div>
          )}
          {rows.slice(from, to).map((row) => (
            <MessageRow
              key={row.key}
              row={row}
              kind={conversation.kind === 'direct' ? 'direct' : 'group'}
              own={row.message.senderId === me.id}
              role={conversation.me?.role}
              dayText={row.newDay ? dayOf(row.message.createdAt) : undefined}
              tabStop={row.key === lastKey}
              onJump={onJump}
              onReply={onReply}
              onEdit={onEdit}
            />
          ))}
          {to < keys.length || hasAfter ? (
            <div className="timeline-more">
              <div className="spinner" role="img" aria-label="Loading" />
            </div>
          ) : (
            <TypingNote ids={view.typing} />
          )}
        </div>
      </div>
      {isAway && (
        <button
          type="button"
          className="to-newest"
          aria-label={view.unread > 0 ? `Jump to newest, ${view.unread} unread` : 'Jump to newest'}
          onClick={toNewest}
        >
          <ArrowDown size={20} />
          {view.unread > 0 && <span className="badge">{view.unread > 99 ? '99+' : view.unread}</span>}
        </button>
      )}
    </div>
  );
}

function firstRange(rows: ReturnType<typeof rowsOf>): RowRange {
  const unread = rows.findIndex(({ firstUnread }) => firstUnread);
  return unread < 0
    ? {}
    : around(
        unread,
        rows.map(({ key }) => key),
      );
}

function flash(row: HTMLElement): void {
  row.classList.remove('flash');
  void row.offsetWidth;
  row.classList.add('flash');
}

function ConversationStart({ id }: { readonly id: string }) {
  const { conversation } = useView(id)!;
  const partner = usePartner(id);
  return (
    <div className="timeline-start">
      {conversation.kind === 'direct' ? (
        <Avatar user={partner} size={72} />
      ) : (
        <RoomAvatar conversation={conversation} size={72} />
      )}
      <h2>{titleOf(conversation, partner)}</h2>
      <p>
        {conversation.kind === 'direct'
          ? 'The beginning of your conversation. Say hello!'
          : (conversation.topic ?? 'The beginning of this conversation.')}
      </p>
    </div>
  );
}

function TypingNote({ ids }: { readonly ids: readonly string[] }) {
  const names = useChat(({ users }) =>
    ids
      .slice(0, 3)
      .map((id) => users.get(id)?.displayName ?? 'Somebody')
      .join(', '),
  );
  return (
    <div className="typing" role="status">
      {ids.length > 0 && (
        <>
          <i />
          <i />
          <i />
          {ids.length > 3 ? 'Several people are typing' : `${names} ${ids.length === 1 ? 'is' : 'are'} typing`}
        </>
      )}
    </div>
  );
}

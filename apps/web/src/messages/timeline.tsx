import type { LoadOptions } from '@parley/client';
import { ArrowDown } from 'lucide-react';
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import { titleOf, useChat, useClient, useMe, usePartner, useView } from '../shared/chat.ts';
import { explain } from '../shared/errors.ts';
import { Avatar, RoomAvatar } from '../people/avatar.tsx';
import { MessageRow } from './message.tsx';
import { dayOf } from '../shared/times.ts';
import { around, boundsOf, grown, rowsOf, type Range } from './timeline-rows.ts';
import './timeline.css';
import { attempt, toast } from '../shared/toasts.tsx';

/** How near to an end, in pixels, more is fetched. */
const NEAR = 700;
const AT_BOTTOM = 60;

/** A message that is to be shown. `id` tells two wishes for the same one apart. */
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
 * The messages, of which never more than 150 are in the page. Real rows that come and go at both ends, instead of guessed heights: whatever changes above or below,
 * the row at the top of what one sees stays where it is, or the newest one when one is at the end.
 */
export function Timeline({ id, jump, onJump, onReply, onEdit }: Props) {
  const client = useClient();
  const me = useMe();
  const view = useView(id)!;
  const { messages, hasBefore, hasAfter, kept } = view;
  const [unreadAfter] = useState(() => (view.unread > 0 ? view.readSeq : undefined));
  const [range, setRange] = useState<Range>(() => firstRange(rowsOf(messages, me.id, unreadAfter)));
  const rows = useMemo(() => rowsOf(messages, me.id, unreadAfter), [messages, me.id, unreadAfter]);
  const keys = useMemo(() => rows.map(({ key }) => key), [rows]);
  const [from, to] = boundsOf(range, keys);
  const following = to === keys.length && !hasAfter;

  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  /** What must stay in place: the row at the top, and how far above the edge it begins; or the bottom. */
  const anchor = useRef<{ readonly key: string; readonly top: number } | 'bottom'>('bottom');
  const target = useRef<string>(undefined);
  const busy = useRef(false);
  const unmounted = useRef(new AbortController());
  useEffect(() => () => unmounted.current.abort(), []);
  const again = useRef<() => void>(() => undefined);
  const [away, setAway] = useState(false);
  const offline = useChat(({ connection }) => connection === 'offline');

  const latest = useRef({ range, keys, from, to, hasBefore, hasAfter, following, kept });
  latest.current = { range, keys, from, to, hasBefore, hasAfter, following, kept };

  const rowAt = (key: string) =>
    content.current?.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`) ?? undefined;

  const remember = useCallback(() => {
    const box = scroller.current;
    if (!box) return;
    const distance = box.scrollHeight - box.scrollTop - box.clientHeight;
    const atEnd = latest.current.following && distance < AT_BOTTOM;
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

  const restore = useCallback(() => {
    const box = scroller.current;
    if (!box) return;
    if (anchor.current === 'bottom') box.scrollTop = box.scrollHeight;
    else {
      const row = rowAt(anchor.current.key);
      if (row) box.scrollTop += row.getBoundingClientRect().top - box.getBoundingClientRect().top - anchor.current.top;
    }
  }, []);

  /** Takes rows from memory, and messages from the server, where an end is near. */
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
        // Without enough rows to scroll, no event asks for more.
        .then(() => requestAnimationFrame(() => again.current()), onRetry)
        .finally(() => (busy.current = false));
    };
    if (box.scrollTop < NEAR) {
      if (now.from > 0) return setRange(grown(now.range, now.keys, 'older'));
      if (now.hasBefore) return loadMore((options) => client.loadOlder(id, options));
    }
    if (box.scrollHeight - box.scrollTop - box.clientHeight < NEAR) {
      if (now.to < now.keys.length) return setRange(grown(now.range, now.keys, 'newer'));
      if (now.hasAfter) return loadMore((options) => client.loadNewer(id, options));
    }
    return undefined;
  }, [client, id]);

  again.current = fill;

  const markRead = useCallback(() => {
    const box = scroller.current;
    if (!box || document.visibilityState !== 'visible' || !document.hasFocus()) return;
    const edge = box.getBoundingClientRect().bottom;
    const seen = [...content.current!.querySelectorAll<HTMLElement>('[data-seq]')].findLast(
      (row) => row.getBoundingClientRect().top < edge - 12,
    );
    const seq = Number(seen?.dataset['seq'] ?? 0);
    const { conversations, connection } = client.getState();
    const known = conversations.get(id);
    // The server may be about to say what else is unread.
    if (known?.kept && connection !== 'offline') return;
    if (known && seq > 0 && (seq > known.readSeq || known.unread > 0)) client.markRead(id, seq);
  }, [client, id]);

  // Where one was stays where it is; then it is looked at whether more is needed.
  useLayoutEffect(() => {
    if (target.current !== undefined) {
      const row = rowAt(target.current);
      if (row) {
        row.scrollIntoView({ block: 'center' });
        flash(row);
        target.current = undefined;
      }
    } else restore();
    remember();
    fill();
    markRead();
  }, [rows, from, to, following, remember, restore, fill, markRead]);

  // Pictures arrive, the window is resized, the composer grows.
  useEffect(() => {
    const observer = new ResizeObserver(() => {
      restore();
      remember();
    });
    observer.observe(content.current!);
    observer.observe(scroller.current!);
    return () => observer.disconnect();
  }, [remember, restore]);

  useEffect(() => {
    const box = scroller.current!;
    if (unreadAfter !== undefined) {
      const line = box.querySelector('.unread-line');
      if (line)
        box.scrollTop += line.getBoundingClientRect().top - box.getBoundingClientRect().top - box.clientHeight / 4;
      remember();
    }
    const events = ['focus', 'visibilitychange'] as const;
    for (const event of events) addEventListener(event, markRead);
    return () => {
      for (const event of events) removeEventListener(event, markRead);
    };
  }, [markRead, remember, unreadAfter]);

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
      const all = rowsOf(loaded, me.id, undefined).map(({ key }) => key);
      target.current = all[at];
      anchor.current = { key: all[at]!, top: 100 };
      setRange(around(at, all));
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
      requestAnimationFrame(restore);
    });
  };

  // One's own message is seen, wherever one was.
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
    const all = [...content.current!.querySelectorAll<HTMLElement>('[data-key]')];
    const next = all[all.indexOf(row) + step];
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
          remember();
          fill();
          markRead();
        }}
      >
        <div ref={content} className="timeline-rows">
          {from === 0 && !hasBefore ? (
            <Start id={id} />
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
            <Typing ids={view.typing} />
          )}
        </div>
      </div>
      {away && (
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

function firstRange(rows: ReturnType<typeof rowsOf>): Range {
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

function Start({ id }: { readonly id: string }) {
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

function Typing({ ids }: { readonly ids: readonly string[] }) {
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

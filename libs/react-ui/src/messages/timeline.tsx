import type { ConversationView, LoadOptions } from '@parley/client';
import { ArrowDown, ArrowUp, AtSign } from 'lucide-react';
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import { titleOf, useChat, useClient, useMe, usePartner, useView } from '../shared/chat.ts';
import { explain } from '../shared/errors.ts';
import { Avatar, RoomAvatar } from '../people/avatar.tsx';
import { MessageRow } from './message.tsx';
import { isKey } from '../keys/keys.ts';
import { dayOf, sinceTimeOf } from '../shared/times.ts';
import { findMention, messagesOf } from './find-message.ts';
import { isAttended, SeenRows } from './seen-rows.ts';
import { around, boundsOf, grown, keyOf, rowsOf, type Row, type RowRange } from './timeline-rows.ts';
import type { Visit } from './visit.ts';
import { attempt, toast } from '../shared/toasts.tsx';
import { useStrings } from '../strings/strings.tsx';

/** Distance from an end, in pixels, within which more is loaded. */
const LOAD_DISTANCE = 700;
/** Distance from the end, in pixels, within which the timeline stays at the newest message. */
const BOTTOM_DISTANCE = 60;
/** Pixels between the upper edge and the first message that was not seen yet, while new ones arrive below. */
const FOLLOW_MARGIN = 40;

/** A request to show a message. `id` tells apart two requests for the same message. */
export interface Jump {
  readonly seq: number;
  readonly id: number;
}

/** A row to be shown: in the middle, or near the top with the line above it. */
interface Target {
  readonly key: string;
  readonly place: 'middle' | 'top';
}

interface Props {
  readonly id: string;
  readonly visit: Visit;
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
export function Timeline({ id, visit, jump, onJump, onReply, onEdit }: Props) {
  const strings = useStrings();
  const client = useClient();
  const me = useMe();
  const view = useView(id)!;
  const { messages, hasBefore, hasAfter, kept, firstUnread, unread } = view;
  const [newFrom, setNewFrom] = useState(firstUnread);
  const [range, setRange] = useState<RowRange>(() => firstRange(rowsOf(messages, me.id, newFrom)));
  const rows = useMemo(() => rowsOf(messages, me.id, newFrom), [messages, me.id, newFrom]);
  const keys = useMemo(() => rows.map(({ key }) => key), [rows]);
  const [from, to] = boundsOf(range, keys);
  const following = to === keys.length && !hasAfter;

  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  /** The element that stays in place: the topmost row, with the distance of its top from the edge, or the bottom. */
  const anchor = useRef<{ readonly key: string; readonly top: number } | 'bottom'>('bottom');
  /** The position at which the anchor was saved. */
  const saved = useRef<{ readonly top: number; readonly height: number }>(undefined);
  /**
   * The newest message when somebody last looked at the end, or went there. Later ones are not scrolled out of view
   * unseen.
   */
  const followed = useRef(Infinity);
  /** The row to show next. */
  const target = useRef<Target | undefined>(firstTarget(rows));
  const seenRows = useRef<SeenRows>(undefined);
  /** Whether the timeline is about to show another place: what is left at once has not been looked at. */
  const jumping = useRef(jump !== undefined);
  const busy = useRef(false);
  const failed = useRef(false);
  /** Counts loads that have ended. */
  const [loads, setLoads] = useState(0);
  const unmounted = useRef(new AbortController());
  useEffect(() => () => unmounted.current.abort(), []);
  const [isAway, setAway] = useState(false);
  const [unreadPlace, setUnreadPlace] = useState<UnreadPlace>();
  const firstMessage = messages.find(({ seq }) => seq === firstUnread);
  const lastKnownFirst = useRef(firstMessage);
  if (firstMessage) lastKnownFirst.current = firstMessage;
  const since = lastKnownFirst.current;
  const newText =
    since && since.seq > view.readSeq
      ? strings.messages.newSince(unread, sinceTimeOf(since.createdAt))
      : strings.messages.new(unread);
  const offline = useChat(({ connection }) => connection === 'offline');

  const latest = useRef({ range, rows, keys, from, to, hasBefore, hasAfter, following, kept });
  latest.current = { range, rows, keys, from, to, hasBefore, hasAfter, following, kept };

  const rowAt = (key: string) =>
    content.current?.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`) ?? undefined;

  const saveAnchor = useCallback(() => {
    const box = scroller.current;
    if (!box) return;
    const distance = box.scrollHeight - box.scrollTop - box.clientHeight;
    const atEnd = latest.current.following && distance < BOTTOM_DISTANCE;
    setAway(!latest.current.following || distance > 400);
    saved.current = { top: box.scrollTop, height: box.scrollHeight };
    setUnreadPlace(unreadPlaceOf(client.getState().conversations.get(id), box));
    if (atEnd) {
      anchor.current = 'bottom';
      if (isAttended(box) || followed.current === Infinity)
        followed.current = latest.current.rows.findLast(({ message }) => !message.local)?.message.seq ?? 0;
      return;
    }
    const edge = box.getBoundingClientRect().top;
    for (const row of content.current!.querySelectorAll<HTMLElement>('[data-key]')) {
      const { bottom, top } = row.getBoundingClientRect();
      if (bottom <= edge) continue;
      anchor.current = { key: row.dataset['key']!, top: top - edge };
      return;
    }
  }, [client, id]);

  const restoreAnchor = useCallback(() => {
    const box = scroller.current;
    if (!box) return;
    // The user may have scrolled since, with the event still to come. When the content shrinks, the browser scrolls.
    const scrolled = saved.current && box.scrollHeight >= saved.current.height ? box.scrollTop - saved.current.top : 0;
    if (anchor.current !== 'bottom') {
      const row = rowAt(anchor.current.key);
      const moved = row && row.getBoundingClientRect().top - box.getBoundingClientRect().top - anchor.current.top;
      if (moved !== undefined) box.scrollTop += moved + scrolled;
      return;
    }
    if (scrolled < 0) return;
    box.scrollTop = box.scrollHeight;
    const unseen = latest.current.rows.find(
      ({ message }) => message.seq > followed.current && message.senderId !== me.id,
    );
    const row = unseen && rowAt(unseen.key);
    if (!row) return;
    const hidden = box.getBoundingClientRect().top + FOLLOW_MARGIN - row.getBoundingClientRect().top;
    if (hidden > 0) box.scrollTop -= hidden;
  }, [me.id]);

  /**
   * Adds rows from memory, or loads messages from the server, if an end is near. Each step renders again, and so comes
   * back here, until no end is near: also when nothing scrolls meanwhile.
   */
  const fill = useCallback(() => {
    const box = scroller.current;
    if (!box || busy.current || failed.current || target.current !== undefined) return;
    const now = latest.current;
    const loadMore = (load: (options: LoadOptions) => Promise<void>) => {
      if (now.kept) return;
      busy.current = true;
      const { signal } = unmounted.current;
      const onRetry = (error: unknown) => void (signal.aborted || toast(explain(error)));
      load({ retry: true, signal, onRetry })
        .catch((error: unknown) => {
          // Asking again would fail again, until something changes: the user scrolls.
          failed.current = true;
          onRetry(error);
        })
        .finally(() => {
          busy.current = false;
          if (!signal.aborted) setLoads((count) => count + 1);
        });
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

  const onScroll = () => {
    failed.current = false;
    saveAnchor();
    fill();
  };

  // Keeps the position, then checks whether more rows are needed.
  useLayoutEffect(() => {
    const wanted = target.current;
    const row = wanted && rowAt(wanted.key);
    if (wanted && row) {
      showRow(row, wanted, scroller.current!);
      target.current = undefined;
    } else {
      // The window has moved on.
      if (wanted && !keys.includes(wanted.key)) target.current = undefined;
      restoreAnchor();
    }
    saveAnchor();
    fill();
    seenRows.current?.check();
  }, [rows, range, from, to, following, loads, keys, saveAnchor, restoreAnchor, fill]);

  // What the server says of other devices may put the first unread message elsewhere.
  useLayoutEffect(saveAnchor, [saveAnchor, firstUnread, unread]);

  // Pictures load, the window is resized, the composer grows.
  useEffect(() => {
    const observer = new ResizeObserver(() => {
      restoreAnchor();
      saveAnchor();
      seenRows.current?.check();
    });
    observer.observe(content.current!);
    observer.observe(scroller.current!);
    return () => observer.disconnect();
  }, [saveAnchor, restoreAnchor]);

  useEffect(() => {
    const seen = new SeenRows(scroller.current!, (seqs) => jumping.current || visit.see(seqs));
    seenRows.current = seen;
    return () => seen.stop();
  }, [visit]);

  // The line moves to where messages were marked as unread.
  const mark = view.conversation.me?.unreadFrom;
  useEffect(() => {
    visit.watch(view);
    if (visit.isHeld && mark !== undefined) setNewFrom(mark);
  }, [visit, view, mark]);

  useEffect(() => {
    if (!jump) return;
    let current = true;
    jumping.current = true;
    const show = async () => {
      const find = () => {
        const loaded = client.getState().conversations.get(id)?.messages ?? [];
        return { loaded, at: loaded.findIndex((message) => message.seq === jump.seq && !message.local) };
      };
      if (find().at < 0) await client.loadAround(id, jump.seq);
      const { loaded, at } = find();
      if (current && at >= 0) showTarget(loaded.map(keyOf), at, 'middle');
    };
    void attempt(show).finally(() => {
      if (!current) return;
      jumping.current = false;
      seenRows.current?.check();
    });
    return () => {
      current = false;
    };
  }, [client, id, jump]);

  const showTarget = (all: readonly string[], at: number, place: Target['place']) => {
    target.current = { key: all[at]!, place };
    anchor.current = { key: all[at]!, top: 100 };
    setRange(around(at, all));
  };

  const toFirstUnread = () =>
    void attempt(async () => {
      await client.openAtUnread(id);
      const current = client.getState().conversations.get(id);
      if (current?.firstUnread === undefined) return;
      setNewFrom(current.firstUnread);
      const at = current.messages.findIndex(({ seq }) => seq === current.firstUnread);
      showTarget(current.messages.map(keyOf), at, 'top');
    });

  /** The mention that was shown last. */
  const lastMention = useRef(0);
  const toMention = () =>
    void attempt(async () => {
      const load = messagesOf(client, id);
      const from = (view.conversation.me?.unreadFrom ?? view.readSeq + 1) - 1;
      const seq =
        (await findMention(load, me.id, Math.max(from, lastMention.current))) ?? (await findMention(load, me.id, from));
      if (seq === undefined) return toast(strings.messages.mentionFurther);
      lastMention.current = seq;
      return onJump(seq);
    });

  const toNewest = () => {
    const stay = () => {
      anchor.current = 'bottom';
      followed.current = Infinity;
    };
    stay();
    void attempt(async () => {
      if (latest.current.hasAfter) await client.jumpToNewest(id);
      stay();
      target.current = undefined;
      setRange({});
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
    const step = isKey('messageAbove', event) ? -1 : isKey('messageBelow', event) ? 1 : undefined;
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
        aria-label={strings.messages.region}
        onKeyDown={onKeyDown}
        onScroll={onScroll}
        onWheel={() => {
          failed.current = false;
          fill();
        }}
      >
        <div ref={content} className="timeline-rows">
          {from === 0 && !hasBefore ? (
            <ConversationStart id={id} />
          ) : from === 0 && kept && offline ? (
            <p className="timeline-more muted small">{strings.messages.earlierOffline}</p>
          ) : (
            <div className="timeline-more">
              <div className="spinner" role="img" aria-label={strings.common.loading} />
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
              <div className="spinner" role="img" aria-label={strings.common.loading} />
            </div>
          ) : (
            <TypingNote ids={view.typing} />
          )}
        </div>
      </div>
      {unreadPlace && unread > 0 && (
        <div className={`unread-${unreadPlace}`}>
          <button type="button" onClick={toFirstUnread}>
            {unreadPlace === 'above' ? <ArrowUp size={16} /> : <ArrowDown size={16} />}
            {newText}
          </button>
          <button
            type="button"
            onClick={() => {
              visit.markRead();
              setUnreadPlace(undefined);
            }}
          >
            {strings.messages.markRead}
          </button>
        </div>
      )}
      {view.mentions > 0 && (
        <button
          type="button"
          className="to-mention"
          aria-label={strings.messages.nextMention}
          title={strings.messages.nextMention}
          onClick={toMention}
        >
          <AtSign size={20} />
          <span className="badge">{view.mentions}</span>
        </button>
      )}
      {isAway && (
        <button
          type="button"
          className="to-newest"
          aria-label={view.unread > 0 ? strings.messages.newestUnread(view.unread) : strings.messages.newest}
          onClick={toNewest}
        >
          <ArrowDown size={20} />
          {view.unread > 0 && <span className="badge">{view.unread > 99 ? '99+' : view.unread}</span>}
        </button>
      )}
    </div>
  );
}

function firstRange(rows: readonly Row[]): RowRange {
  const at = rows.findIndex(({ firstUnread }) => firstUnread);
  return at < 0
    ? {}
    : around(
        at,
        rows.map(({ key }) => key),
      );
}

function firstTarget(rows: readonly Row[]): Target | undefined {
  const row = rows.find(({ firstUnread }) => firstUnread);
  return row && { key: row.key, place: 'top' };
}

type UnreadPlace = 'above' | 'below' | undefined;

/** Whether the first unread message lies above or below what the scroller shows, loaded or not. */
function unreadPlaceOf(view: ConversationView | undefined, scroller: HTMLElement): UnreadPlace {
  if (!view || view.unread === 0) return undefined;
  const { top, bottom } = scroller.getBoundingClientRect();
  const edges = (row: Element) => row.getBoundingClientRect();
  const rows = Array.from(scroller.querySelectorAll<HTMLElement>('[data-seq]'));
  const topmost = rows.find((row) => edges(row).bottom > top);
  // The end of a row tells whether it was seen.
  const lowest = rows.findLast((row) => edges(row).bottom <= bottom + 1);
  const first = view.firstUnread ?? view.conversation.me?.unreadFrom ?? view.readSeq + 1;
  if (topmost && first < Number(topmost.dataset['seq'])) return 'above';
  return lowest && first > Number(lowest.dataset['seq']) ? 'below' : undefined;
}

function showRow(row: HTMLElement, { place }: Target, box: HTMLElement): void {
  if (place === 'middle') {
    row.scrollIntoView({ block: 'center' });
    return flash(row);
  }
  const before = row.previousElementSibling;
  const line = before?.classList.contains('unread-line') ? before : row;
  box.scrollTop += line.getBoundingClientRect().top - box.getBoundingClientRect().top - box.clientHeight / 4;
}

function flash(row: HTMLElement): void {
  row.classList.remove('flash');
  void row.offsetWidth;
  row.classList.add('flash');
}

function ConversationStart({ id }: { readonly id: string }) {
  const { messages } = useStrings();
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
      <p>{conversation.kind === 'direct' ? messages.startDirect : (conversation.topic ?? messages.start)}</p>
    </div>
  );
}

function TypingNote({ ids }: { readonly ids: readonly string[] }) {
  const { common, messages } = useStrings();
  const names = useChat(({ users }) =>
    messages.typing(ids.slice(0, 3).map((id) => users.get(id)?.displayName ?? common.somebody)),
  );
  return (
    <div className="typing" role="status">
      {ids.length > 0 && (
        <>
          <i />
          <i />
          <i />
          {ids.length > 3 ? messages.severalTyping : names}
        </>
      )}
    </div>
  );
}

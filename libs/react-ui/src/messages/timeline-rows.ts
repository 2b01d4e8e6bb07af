import type { ChatMessage } from '@parley/client';
import { dayKey } from '../shared/times.ts';

/** A message as the timeline shows it. */
export interface Row {
  readonly key: string;
  readonly message: ChatMessage;
  /** Whether it is the first loaded message of its day. */
  readonly newDay: boolean;
  /** Whether it is the first message that was unread when the conversation was opened. */
  readonly firstUnread: boolean;
  /** Whether it continues the message above, or the one below: same sender, a few minutes apart, nothing between. */
  readonly joinsAbove: boolean;
  readonly joinsBelow: boolean;
}

const GROUPING_MS = 5 * 60_000;

/** The key of a message's row. It stays the same when the message that is being sent is stored. */
export const keyOf = ({ senderId, clientId }: Pick<ChatMessage, 'senderId' | 'clientId'>): string =>
  `${senderId} ${clientId}`;

const belongTogether = (message: ChatMessage, next: ChatMessage): boolean =>
  message.senderId === next.senderId &&
  message.type !== 'system' &&
  next.type !== 'system' &&
  Date.parse(next.createdAt) - Date.parse(message.createdAt) < GROUPING_MS;

/** `newFrom`: the `seq` from which on messages are shown as new; undefined when none are. */
export function rowsOf(messages: readonly ChatMessage[], ownId: string, newFrom: number | undefined): Row[] {
  // What begins after the first new message does not have it.
  let unreadFound = newFrom === undefined || (messages[0]?.seq ?? 0) > newFrom;
  const beginnings = messages.map((message, at) => {
    const before = messages[at - 1];
    const newDay = !before || dayKey(before.createdAt) !== dayKey(message.createdAt);
    const firstUnread =
      !unreadFound &&
      !message.local &&
      message.seq >= newFrom! &&
      message.senderId !== ownId &&
      message.deletedAt === undefined &&
      message.type !== 'system';
    if (firstUnread) unreadFound = true;
    return {
      newDay,
      firstUnread,
      joinsAbove: before !== undefined && !newDay && !firstUnread && belongTogether(before, message),
    };
  });
  return messages.map((message, at) => ({
    key: keyOf(message),
    message,
    ...beginnings[at]!,
    joinsBelow: beginnings[at + 1]?.joinsAbove ?? false,
  }));
}

/**
 * The part of the rows that is in the page: the keys of its first and last row. Without `first` it is the newest rows;
 * without `last` it reaches to the end, and grows as messages arrive.
 */
export interface RowRange {
  readonly first?: string | undefined;
  readonly last?: string | undefined;
}

/** The maximum number of rows in the page, and how many are added or removed at once. */
export const MAX_ROWS = 150;
/** How many rows are added at once. */
export const STEP = 50;

/** The bounds `[from, to)` of a range in these keys. A key that is not there any more means the nearest end. */
export function boundsOf(range: RowRange, keys: readonly string[]): readonly [number, number] {
  const last = range.last === undefined ? -1 : keys.indexOf(range.last);
  const to = last < 0 ? keys.length : last + 1;
  const first = range.first === undefined ? Math.max(0, to - STEP) : keys.indexOf(range.first);
  return [Math.max(0, first, to - MAX_ROWS), to];
}

/** A range with more rows at one end, and fewer at the other if the page would have too many. */
export function grown(range: RowRange, keys: readonly string[], end: 'older' | 'newer'): RowRange {
  const [from, to] = boundsOf(range, keys);
  return end === 'older'
    ? between(Math.max(0, from - STEP), Math.min(to, Math.max(0, from - STEP) + MAX_ROWS), keys)
    : between(Math.max(from, Math.min(keys.length, to + STEP) - MAX_ROWS), Math.min(keys.length, to + STEP), keys);
}

/** The rows around one of them. */
export const around = (at: number, keys: readonly string[]): RowRange =>
  between(Math.max(0, at - STEP), Math.min(keys.length, at + STEP), keys);

const between = (from: number, to: number, keys: readonly string[]): RowRange => ({
  first: keys[from],
  last: to >= keys.length ? undefined : keys[to - 1],
});

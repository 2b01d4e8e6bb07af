import type { ChatMessage } from '@parley/client';
import { dayKey } from '../shared/times.ts';

export interface Row {
  readonly key: string;
  readonly message: ChatMessage;
  /** The first message of its day among those that are loaded. */
  readonly newDay: boolean;
  /** The first one that was unread when the conversation was opened. */
  readonly firstUnread: boolean;
  /** Whether it goes on from the message above, or below: same sender, within some minutes, nothing in between. */
  readonly joinsAbove: boolean;
  readonly joinsBelow: boolean;
}

const TOGETHER_MS = 5 * 60_000;

/** The same before and after the server has stored it: the row of a message that is being sent stays the same row. */
export const keyOf = ({ senderId, clientId }: Pick<ChatMessage, 'senderId' | 'clientId'>): string =>
  `${senderId} ${clientId}`;

const together = (one: ChatMessage, next: ChatMessage): boolean =>
  one.senderId === next.senderId &&
  one.type !== 'system' &&
  next.type !== 'system' &&
  Date.parse(next.createdAt) - Date.parse(one.createdAt) < TOGETHER_MS;

/** `unreadAfter`: the reader's cursor when they opened the conversation; `undefined`: nothing was unread. */
export function rowsOf(messages: readonly ChatMessage[], ownId: string, unreadAfter: number | undefined): Row[] {
  let unreadSeen = unreadAfter === undefined;
  const starts = messages.map((message, at) => {
    const before = messages[at - 1];
    const newDay = !before || dayKey(before.createdAt) !== dayKey(message.createdAt);
    const firstUnread =
      !unreadSeen &&
      !message.local &&
      message.seq > unreadAfter! &&
      message.senderId !== ownId &&
      message.type !== 'system';
    if (firstUnread) unreadSeen = true;
    return {
      newDay,
      firstUnread,
      joinsAbove: before !== undefined && !newDay && !firstUnread && together(before, message),
    };
  });
  return messages.map((message, at) => ({
    key: keyOf(message),
    message,
    ...starts[at]!,
    joinsBelow: starts[at + 1]?.joinsAbove ?? false,
  }));
}

/** The part of the rows that is in the page: keys of its first and last one. Without `first` it is the newest ones; without `last` it goes to the end, and grows as messages arrive. */
export interface Range {
  readonly first?: string | undefined;
  readonly last?: string | undefined;
}

/** Rows in the page at most, and how many come or go at once. */
export const MOST_ROWS = 150;
export const STEP = 50;

/** Where the range lies in these keys: `[from, to)`. Keys that were dropped from memory mean the nearest end. */
export function boundsOf(range: Range, keys: readonly string[]): readonly [number, number] {
  const last = range.last === undefined ? -1 : keys.indexOf(range.last);
  const to = last < 0 ? keys.length : last + 1;
  const first = range.first === undefined ? Math.max(0, to - STEP) : keys.indexOf(range.first);
  return [Math.max(0, first, to - MOST_ROWS), to];
}

/** A range with more at one end, and as much less at the other as the page can't hold. */
export function grown(range: Range, keys: readonly string[], end: 'older' | 'newer'): Range {
  const [from, to] = boundsOf(range, keys);
  return end === 'older'
    ? between(Math.max(0, from - STEP), Math.min(to, Math.max(0, from - STEP) + MOST_ROWS), keys)
    : between(Math.max(from, Math.min(keys.length, to + STEP) - MOST_ROWS), Math.min(keys.length, to + STEP), keys);
}

export const around = (at: number, keys: readonly string[]): Range =>
  between(Math.max(0, at - STEP), Math.min(keys.length, at + STEP), keys);

const between = (from: number, to: number, keys: readonly string[]): Range => ({
  first: keys[from],
  last: to >= keys.length ? undefined : keys[to - 1],
});

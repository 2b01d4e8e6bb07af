import { ANSWER_BYTES, messageBytes, messageColumns, toMessage, withOwnReactions, type MessageRow } from '@parley/chat';
import type { MessagePage } from '@parley/contracts';
import type { Sql } from '@parley/store';

/** Positions `from` to `to`, both included. Empty when `from > to`. */
export interface SeqRange {
  readonly from: number;
  readonly to: number;
}
export interface PageRequest {
  readonly before?: number | undefined;
  readonly after?: number | undefined;
  readonly around?: number | undefined;
  readonly limit: number;
}

/**
 * The positions of a page. Pages are arithmetic, because `seq` has no gaps and rows are never removed. `before` and
 * `after` are exclusive; `around` puts its message in the middle; without any of them it is the newest page.
 */
export function rangeOf({ before, after, around, limit }: PageRequest, lastSeq: number): SeqRange {
  if (after !== undefined) return { from: Math.min(after, lastSeq) + 1, to: Math.min(after + limit, lastSeq) };
  if (around !== undefined) {
    const from = Math.max(1, Math.min(around - Math.floor(limit / 2), lastSeq - limit + 1));
    return { from, to: Math.min(from + limit - 1, lastSeq) };
  }
  const to = Math.max(0, Math.min((before ?? Infinity) - 1, lastSeq));
  return { from: Math.max(1, to - limit + 1), to };
}

/** SQL: the messages of a range that fit into $5 bytes, beginning with the one at $4 and continuing with its neighbours. */
const PAGE = `
  with found as (select ${messageColumns('m')}, ${messageBytes('m')} as bytes from chat.message m where m.conversation_id = $1 and m.seq between $2 and $3),
    sized as (select f.*, sum(bytes) over (order by abs(seq - $4::bigint), seq) - bytes as before from found f)
  select ${messageColumns('s')} from sized s where s.before < $5 order by s.seq`;

/**
 * The messages of a range, tombstones included, as the user sees them; of large messages only those next to `anchor`, by
 * default the newest. The range must not go beyond `lastSeq`. Does not check access.
 */
export async function readPage(
  sql: Sql,
  userId: string,
  conversationId: string,
  { from, to }: SeqRange,
  lastSeq: number,
  anchor = to,
): Promise<MessagePage> {
  const rows = from > to ? [] : await sql.query<MessageRow>(PAGE, [conversationId, from, to, anchor, ANSWER_BYTES]);
  return {
    items: await withOwnReactions(sql, userId, rows.map(toMessage)),
    lastSeq,
    hasBefore: (rows[0]?.seq ?? from) > 1,
    hasAfter: (rows.at(-1)?.seq ?? to) < lastSeq,
  };
}

/** Maximum number of messages returned when a conversation is opened. */
export const MAX_OPENED = 200;
const FIRST_UNREAD = `
  select m.seq from chat.message m
  where m.conversation_id = $1 and m.seq > $2 and m.sender_id <> $3 and m.deleted_at is null and m.type <> 'system' order by m.seq limit 1`;

/** The newest `limit` positions, or more: back to the first unread message, at most {@link MAX_OPENED}. */
export async function openRange(
  sql: Sql,
  conversationId: string,
  userId: string,
  unreadAbove: number,
  lastSeq: number,
  limit: number,
): Promise<SeqRange> {
  const [unread] = await sql.query<{ seq: number }>(FIRST_UNREAD, [
    conversationId,
    Math.max(unreadAbove, lastSeq - MAX_OPENED),
    userId,
  ]);
  return { from: Math.max(1, Math.min(lastSeq - limit + 1, unread?.seq ?? Infinity)), to: lastSeq };
}

const SENT = `select 1 as one from chat.message where conversation_id = $1 and sender_id = $2 and client_id = $3`;

/** True when this sender's message with this `clientId` is stored. Reveals nothing about messages of others. */
export async function isSent(sql: Sql, conversationId: string, senderId: string, clientId: string): Promise<boolean> {
  return (await sql.query(SENT, [conversationId, senderId, clientId])).length > 0;
}

import { blockBetween, iso } from '@parley/chat';
import { ChatError, timeOf, type CallOutput } from '@parley/contracts';
import type { MessageTrace, Traces } from '@parley/realtime';
import { Unavailable } from '@parley/service-kit';
import type { Sql } from '@parley/store';
import { demandMessage } from '../pages/message-lists.js';
import { receiptsOfMessage } from './receipts.js';

const TRACE_ID = `select replace(m.trace_id::text, '-', '') as trace_id from chat.message m where m.conversation_id = $1 and m.seq = $2`;
const UNBLOCKED = `select u.id from unnest($2::uuid[]) as u(id) where not ${blockBetween('$1', 'u.id')}`;

/**
 * How far a message got, for its sender; to everybody else it is one that does not exist. `received` is when the gateway got the call, which the message's id tells. Whom there is a block with is not among those
 * it was written to: it would say that they were there.
 */
export async function traceOfMessage(
  sql: Sql,
  traces: Traces,
  userId: string,
  messageId: string,
): Promise<CallOutput<'message.trace'>> {
  const { access, seq, senderId } = await demandMessage(sql, userId, messageId);
  if (senderId !== userId) throw new ChatError('not_found', 'No such message');
  const [receipts, noted, [row]] = await Promise.all([
    receiptsOfMessage(sql, userId, messageId),
    notedOf(traces, messageId),
    sql.query<{ trace_id: string | null }>(TRACE_ID, [access.id, seq]),
  ]);
  return {
    messageId,
    ...(row && row.trace_id !== null && { traceId: row.trace_id }),
    received: iso(new Date(timeOf(messageId))),
    ...(noted?.committed !== undefined && { committed: iso(new Date(noted.committed)) }),
    ...(noted && { pushed: await visiblePushes(sql, userId, noted) }),
    ...receipts,
  };
}

async function notedOf(traces: Traces, messageId: string): Promise<MessageTrace | undefined> {
  try {
    return await traces.of(messageId);
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    return undefined;
  }
}

async function visiblePushes(
  sql: Sql,
  userId: string,
  { pushed }: MessageTrace,
): Promise<NonNullable<CallOutput<'message.trace'>['pushed']>> {
  if (pushed.length === 0) return [];
  const rows = await sql.query<{ id: string }>(UNBLOCKED, [userId, [...new Set(pushed.map((push) => push.userId))]]);
  const visible = new Set(rows.map(({ id }) => id));
  return pushed
    .filter((push) => visible.has(push.userId))
    .map(({ at, ...device }) => ({ ...device, at: iso(new Date(at)) }));
}

import { blockBetween, iso } from '@parley/chat';
import { timeOf, type CallOutput } from '@parley/contracts';
import type { MessageTrace, Traces } from '@parley/realtime';
import { Unavailable } from '@parley/service-kit';
import type { Sql } from '@parley/store';
import { noMessage, requireMessage } from '../pages/message-lists.js';
import { receiptsOfMessage } from './message-receipts.js';

const TRACE_ID = `select replace(m.trace_id::text, '-', '') as trace_id from chat.message m where m.conversation_id = $1 and m.seq = $2`;
const UNBLOCKED = `select u.id from unnest($2::uuid[]) as u(id) where not ${blockBetween('$1::uuid', 'u.id')}`;

/**
 * The progress of a message, for its sender; `not_found` for others. `received`: the time at which the gateway received
 * the call, from the message's id. Pushes to blocked and blocking users are left out, because they would reveal that
 * those users were online. Without traces while Redis is unavailable. In a very large conversation only the first page of
 * receipts.
 */
export async function traceOfMessage(
  sql: Sql,
  traces: Traces,
  userId: string,
  messageId: string,
): Promise<CallOutput<'message.trace'>> {
  const { access, seq, senderId } = await requireMessage(sql, userId, messageId);
  if (senderId !== userId) throw noMessage();
  const [{ delivered, read }, trace, [row]] = await Promise.all([
    receiptsOfMessage(sql, userId, { messageId }),
    traceOf(traces, messageId),
    sql.query<{ trace_id: string | null }>(TRACE_ID, [access.id, seq]),
  ]);
  return {
    messageId,
    ...(row && row.trace_id !== null && { traceId: row.trace_id }),
    received: iso(new Date(timeOf(messageId))),
    ...(trace?.committed !== undefined && { committed: iso(new Date(trace.committed)) }),
    ...(trace && { pushed: await visiblePushes(sql, userId, trace) }),
    delivered,
    read,
  };
}

async function traceOf(traces: Traces, messageId: string): Promise<MessageTrace | undefined> {
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

import { ANSWER_BYTES, decodeCursor, encodeCursor, isMemberNow, iso, type Moment } from '@parley/chat';
import { Id, type CallInput, type CallOutput } from '@parley/contracts';
import type { Row, Sql } from '@parley/store';
import { z } from 'zod';
import { requireMessage } from '../pages/message-lists.js';

// Members who joined later have the message without having received it.
const HOLDERS = `
  select k.user_id, k.delivered_seq, k.read_seq, k.delivered_at, k.read_at
  from history.cursor k join chat.member m on m.conversation_id = k.conversation_id and m.user_id = k.user_id and ${isMemberNow('m')}
  where k.conversation_id = $1 and k.delivered_seq >= $2 and m.base_seq < $2 and k.user_id <> $3 and ($4::uuid is null or k.user_id > $4)
  order by k.user_id limit $5`;
interface Holder extends Row {
  user_id: string;
  delivered_seq: number;
  read_seq: number;
  delivered_at: Moment | null;
  read_at: Moment | null;
}

/** A member in both lists takes about 192 bytes of JSON. */
const MAX_HOLDERS = Math.floor(ANSWER_BYTES / 192);
const HolderPosition = z.tuple([Id]);

/**
 * The members other than the sender who have received and read a message; with a cursor those after it. `at` is the
 * last time that the member's cursor moved: no earlier than the message reached them. Refuses users who are not members
 * with `not_found`.
 */
export async function receiptsOfMessage(
  sql: Sql,
  userId: string,
  { messageId, cursor }: CallInput<'message.receipts'>,
): Promise<CallOutput<'message.receipts'>> {
  const { access, seq, senderId } = await requireMessage(sql, userId, messageId);
  const after = cursor === undefined ? undefined : decodeCursor('receipts', HolderPosition, cursor)[0];
  const rows = await sql.query<Holder>(HOLDERS, [access.id, seq, senderId, after, MAX_HOLDERS + 1]);
  const holders = rows.slice(0, MAX_HOLDERS);
  const at = (holder: Holder, moment: Moment | null): { userId: string; at: string } => ({
    userId: holder.user_id,
    at: iso(moment ?? holder.delivered_at!),
  });
  return {
    delivered: holders.map((holder) => at(holder, holder.delivered_at)),
    read: holders.filter(({ read_seq }) => read_seq >= seq).map((holder) => at(holder, holder.read_at)),
    ...(rows.length > holders.length ? { nextCursor: encodeCursor('receipts', [holders.at(-1)!.user_id]) } : {}),
  };
}

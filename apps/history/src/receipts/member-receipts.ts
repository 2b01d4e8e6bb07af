import { deliveredSeq, isMemberNow, iso, readSeq, type Moment } from '@parley/chat';
import { type Receipt } from '@parley/contracts';
import type { Row, Sql } from '@parley/store';

export interface ReceiptRow extends Row {
  conversation_id: string;
  user_id: string;
  read_seq: number;
  delivered_seq: number;
  updated_at: Moment;
}
/** About how many bytes of JSON a receipt takes. */
export const RECEIPT_BYTES = 200;
export const toReceipt = (row: ReceiptRow): Receipt => ({
  conversationId: row.conversation_id,
  userId: row.user_id,
  deliveredSeq: row.delivered_seq,
  readSeq: row.read_seq,
  at: iso(row.updated_at),
});

// Of all members in a conversation of up to $3 members, otherwise of the user ($2). Members who joined later begin at the position of joining. Positions of 0 are left out.
const RECEIPTS = `
  select m.conversation_id, m.user_id, ${readSeq('m', 'k')} as read_seq, ${deliveredSeq('m', 'k')} as delivered_seq, coalesce(k.updated_at, m.joined_at) as updated_at
  from unnest($1::uuid[]) as q(conversation_id)
  join chat.conversation c on c.id = q.conversation_id
  join chat.member m on m.conversation_id = c.id and ${isMemberNow('m')} and (c.member_count <= $3 or m.user_id = $2)
  left join history.cursor k on k.conversation_id = m.conversation_id and k.user_id = m.user_id
  where ${deliveredSeq('m', 'k')} > 0
  order by m.user_id`;

/** The receipts that a user may see, by conversation. No query for an empty list. */
export async function receiptsIn(
  sql: Sql,
  userId: string,
  conversationIds: readonly string[],
  receiptsToAllUpTo: number,
): Promise<Map<string, Receipt[]>> {
  if (conversationIds.length === 0) return new Map();
  const rows = await sql.query<ReceiptRow>(RECEIPTS, [conversationIds, userId, receiptsToAllUpTo]);
  return Map.groupBy(rows.map(toReceipt), ({ conversationId }) => conversationId);
}

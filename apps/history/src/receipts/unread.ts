import {
  ANSWER_BYTES,
  decodeCursor,
  encodeCursor,
  isMemberNow,
  iso,
  mentionCount,
  preferenceJoin,
  readSeq,
  unreadAbove,
  unreadCount,
  type Moment,
} from '@parley/chat';
import { Id, Time, type CallInput, type Unread } from '@parley/contracts';
import type { Row, Sql } from '@parley/store';
import { z } from 'zod';

interface UnreadRow extends Row {
  id: string;
  active_at: Moment;
  last_seq: number;
  read_seq: number;
  unread: number;
  mentions: number;
}
const above = unreadAbove('m', 'k', 'p');
// One statement, so one snapshot. Conversations that are read to their end are excluded before counting. Those with
// nothing unread but the user's own messages are excluded by the caller, because in SQL the condition and the column
// would each count.
const UNREAD = `
  select c.id, c.active_at, c.last_seq, ${readSeq('m', 'k')} as read_seq,
    ${unreadCount('c.id', 'c.last_seq', 'm.user_id', above)} as unread, ${mentionCount('c.id', 'm.user_id', above)} as mentions
  from chat.member m
  join chat.conversation c on c.id = m.conversation_id
  left join history.cursor k on k.conversation_id = m.conversation_id and k.user_id = m.user_id
  ${preferenceJoin('m', 'p')}
  where m.user_id = $1 and ${isMemberNow('m')} and c.deleted_at is null and c.last_seq > ${above}
  order by c.active_at desc, c.id desc`;

/** An entry takes about 128 bytes of JSON. */
const MAX_ENTRIES = ANSWER_BYTES / 128;
const UnreadPosition = z.tuple([Time, Id]);

/**
 * A user's conversations with unread messages, most recently active first, from one snapshot; with a cursor those after
 * it. The sums are over all of them.
 */
export async function unreadOf(sql: Sql, userId: string, { cursor }: CallInput<'unread.list'>): Promise<Unread> {
  const place = cursor === undefined ? undefined : decodeCursor('unread', UnreadPosition, cursor).join(' ');
  const rows = (await sql.query<UnreadRow>(UNREAD, [userId])).filter(({ unread }) => unread > 0);
  const following = rows.filter((row) => place === undefined || placeOf(row).join(' ') < place);
  const page = following.slice(0, MAX_ENTRIES);
  return {
    total: rows.reduce((sum, { unread }) => sum + unread, 0),
    mentions: rows.reduce((sum, { mentions }) => sum + mentions, 0),
    conversations: page.map(({ id, unread, mentions, read_seq, last_seq }) => ({
      id,
      unread,
      mentions,
      readSeq: read_seq,
      lastSeq: last_seq,
    })),
    ...(following.length > page.length ? { nextCursor: encodeCursor('unread', placeOf(page.at(-1)!)) } : {}),
  };
}

const placeOf = ({ active_at, id }: UnreadRow) => [iso(active_at), id] as const;

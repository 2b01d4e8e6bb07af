import {
  decodeCursor,
  DEFAULT_LIMIT,
  encodeCursor,
  fitting,
  isMemberNow,
  iso,
  messageColumns,
  preferenceJoin,
  readSeq,
  toMessage,
  unreadAbove,
  withOwnReactions,
  type ListRequest,
  type MessageRow,
  type Moment,
  type Page,
} from '@parley/chat';
import { Id, type Notification } from '@parley/contracts';
import type { Row, Sql } from '@parley/store';
import { z } from 'zod';

/** How far back notifications reach: the messages are a bound on the work, not a promise. */
const MAX_CONVERSATIONS = 200;
const MAX_MESSAGES = 1_000;

/** SQL: in one of the conversations `p`, at most $5 recent messages of others that fulfil a condition, beyond the place ($2, $3, $4). */
const recent = (kind: string, condition: string): string => `
  select '${kind}' as kind, p.conversation_id, n.seq, n.created_at as at, n.id, n.sender_id as user_id, n.seq > p.unread_above as unread
  from place p cross join lateral (
    select o.seq, o.created_at, o.id, o.sender_id from chat.message o
    where o.conversation_id = p.conversation_id and o.seq > p.last_seq - ${MAX_MESSAGES} and o.sender_id <> $1 and o.deleted_at is null
      and ${condition} and ($2::timestamptz is null or (o.created_at, o.seq, o.id) < ($2::timestamptz, $3::bigint, $4::uuid))
    order by o.seq desc limit $5) n`;

// Both kinds of messages have a partial index.
const NOTIFICATIONS = `
  with place as (
    select m.conversation_id, c.last_seq, m.base_seq, m.joined_at, m.added_by, ${readSeq('m', 'k')} as read_seq, ${unreadAbove('m', 'k', 'p')} as unread_above
    from chat.member m join chat.conversation c on c.id = m.conversation_id and c.deleted_at is null
    left join history.cursor k on k.conversation_id = m.conversation_id and k.user_id = m.user_id
    ${preferenceJoin('m', 'p')}
    where m.user_id = $1 and ${isMemberNow('m')} order by c.active_at desc, c.id desc limit ${MAX_CONVERSATIONS}),
  news as (
    ${recent('mention', `o.mentions <> '{}' and $1 = any(o.mentions)`)}
    union all
    ${recent('reply', `o.reply_to is not null and not $1 = any(o.mentions) and exists (select 1 from chat.message t where t.id = o.reply_to and t.sender_id = $1)`)}
    union all
    select 'invitation', conversation_id, base_seq + 1, joined_at, conversation_id, added_by, read_seq <= base_seq from place
    where added_by is not null and added_by <> $1 and ($2::timestamptz is null or (joined_at, base_seq + 1, conversation_id) < ($2::timestamptz, $3::bigint, $4::uuid))),
  page as (select * from news order by at desc, seq desc, id desc limit $5)
  select page.kind as notice, page.at as notice_at, page.id as notice_id, page.conversation_id as place_id, page.seq as place_seq, page.user_id as by_id, page.unread, ${messageColumns('o')}
  from page left join chat.message o on page.kind <> 'invitation' and o.conversation_id = page.conversation_id and o.seq = page.seq
  order by page.at desc, page.seq desc, page.id desc`;

/** A notification's position in the list. Those of one millisecond are ordered by their `seq`. */
const Place = z.tuple([z.iso.datetime({ precision: 3 }), z.int().nonnegative(), Id]);

type NoticeRow = Row & {
  notice: Notification['kind'];
  notice_at: Moment;
  notice_id: string;
  place_id: string;
  place_seq: number;
  by_id: string;
  unread: boolean;
} & (MessageRow | { [K in keyof MessageRow]: null });

/**
 * Mentions of a user, replies to their messages, and invitations, newest first: of the conversations of which the user is
 * a member now, from the {@link MAX_CONVERSATIONS} most recently active ones and their newest {@link MAX_MESSAGES}
 * messages. A message that is both is a mention.
 */
export async function listNotifications(
  sql: Sql,
  userId: string,
  { cursor, limit = DEFAULT_LIMIT }: ListRequest,
): Promise<Page<Notification>> {
  const [at, seq, id] = cursor === undefined ? [] : decodeCursor('notifications', Place, cursor);
  const found = await sql.query<NoticeRow>(NOTIFICATIONS, [userId, at, seq, id, limit + 1]);
  const rows = fitting(found.slice(0, limit));
  const last = rows.at(-1);
  const next =
    last !== undefined && found.length > rows.length
      ? { nextCursor: encodeCursor('notifications', [iso(last.notice_at), last.place_seq, last.notice_id]) }
      : {};
  const messages = await withOwnReactions(
    sql,
    userId,
    rows.flatMap((row) => (row.id === null ? [] : [toMessage(row as MessageRow)])),
  );
  const byId = new Map(messages.map((message) => [message.id, message]));
  const items = rows.map((row): Notification => {
    const message = byId.get(row.notice_id);
    return {
      kind: row.notice,
      at: iso(row.notice_at),
      conversationId: row.place_id,
      userId: row.by_id,
      seq: row.place_seq,
      unread: row.unread,
      ...(message && { message }),
    };
  });
  return { items, ...next };
}

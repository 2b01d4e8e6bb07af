import { statusNow } from './rows.js';

/**
 * SQL: what a member has read and received, given aliases of `chat.member` and of their `history.cursor`, which may be missing: the greater of the cursor and
 * where they joined (greatest() passes over null).
 */
export const readSeq = (member: string, cursor: string): string => `greatest(${cursor}.read_seq, ${member}.base_seq)`;
export const deliveredSeq = (member: string, cursor: string): string =>
  `greatest(${cursor}.delivered_seq, ${member}.base_seq)`;

/** SQL: joins what a member set for themselves as `preference`; what they set before they left and joined again counts no more. */
export const preferenceJoin = (member: string, preference: string): string =>
  `left join history.preference ${preference} on ${preference}.conversation_id = ${member}.conversation_id and ${preference}.user_id = ${member}.user_id
     and ${preference}.updated_at >= ${member}.joined_at`;
/** SQL: messages above this one are unread: the member's own mark, else what they have read. */
export const unreadAbove = (member: string, cursor: string, preference: string): string =>
  `coalesce(${preference}.unread_from - 1, ${readSeq(member, cursor)})`;

/**
 * SQL: how many messages above `read` a user has unread: all, without their own, without those that never count (system messages, and others' deleted ones). Exact, and two
 * index probes that read only what is above `read`. Expressions: conversation id, its last_seq, user id, read position.
 */
export const unreadCount = (conversation: string, lastSeq: string, user: string, read: string): string => `(
  ${lastSeq} - ${read}
  - (select count(*) from chat.message o where o.conversation_id = ${conversation} and o.sender_id = ${user} and o.seq > ${read} and o.type <> 'system')
  - (select count(*) from chat.message o where o.conversation_id = ${conversation} and o.seq > ${read} and (o.deleted_at is not null or o.type = 'system')
      and (o.type = 'system' or o.sender_id <> ${user})))`;

/** SQL: how many of the unread messages mention the user. */
export const mentionCount = (conversation: string, user: string, read: string): string => `(
  select count(*) from chat.message o where o.conversation_id = ${conversation} and o.seq > ${read} and o.mentions <> '{}' and ${user} = any(o.mentions)
    and o.sender_id <> ${user} and o.deleted_at is null and o.type <> 'system')`;

/** SQL: the columns of a `MembershipRow`, given aliases of `chat.conversation`, the user's `chat.member`, `history.cursor` and what {@link preferenceJoin} joined. */
export const membershipColumns = (conversation: string, member: string, cursor: string, preference: string): string => {
  const above = unreadAbove(member, cursor, preference);
  return `${member}.role, ${statusNow(member)} as status, ${member}.muted_until, coalesce(${preference}.notifications, 'all') as notifications, ${preference}.unread_from,
    ${readSeq(member, cursor)} as read_seq, ${deliveredSeq(member, cursor)} as delivered_seq,
    ${unreadCount(`${conversation}.id`, `${conversation}.last_seq`, `${member}.user_id`, above)} as unread,
    ${mentionCount(`${conversation}.id`, `${member}.user_id`, above)} as mentions`;
};

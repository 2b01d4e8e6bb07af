/**
 * SQL: a member's current status, given an alias of `chat.member`. A mute or ban whose time is over counts as `active`,
 * also before its row is updated.
 */
export const statusNow = (member: string): string =>
  `case when ${member}.status = 'muted' and ${member}.muted_until <= clock_timestamp() or ${member}.status = 'banned' and ${member}.banned_until <= clock_timestamp() then 'active' else ${member}.status end`;

/** SQL: true for a present member, who has not left and is not banned, given an alias of `chat.member`. */
export const isMemberNow = (member: string): string =>
  `${member}.left_at is null and not (${member}.status = 'banned' and (${member}.banned_until is null or ${member}.banned_until > clock_timestamp()))`;

/**
 * SQL: a member's read position, given aliases of `chat.member` and of `history.cursor`, whose row may be missing: the
 * greater of the cursor and the position at which the member joined. greatest() ignores null.
 */
export const readSeq = (member: string, cursor: string): string => `greatest(${cursor}.read_seq, ${member}.base_seq)`;
/** SQL: a member's delivered position; like {@link readSeq}. */
export const deliveredSeq = (member: string, cursor: string): string =>
  `greatest(${cursor}.delivered_seq, ${member}.base_seq)`;

/**
 * SQL: left join of a member's private settings as `preference`. Settings from before the member left and joined again
 * do not count.
 */
export const preferenceJoin = (member: string, preference: string): string =>
  `left join history.preference ${preference} on ${preference}.conversation_id = ${member}.conversation_id and ${preference}.user_id = ${member}.user_id
     and ${preference}.updated_at >= ${member}.joined_at`;
/** SQL: messages with a greater `seq` are unread. The member's own unread mark, if set, replaces the read position. */
export const unreadAbove = (member: string, cursor: string, preference: string): string =>
  `coalesce(${preference}.unread_from - 1, ${readSeq(member, cursor)})`;

/**
 * SQL: the number of messages above `read` that a user has not read. The user's own messages, system messages and
 * deleted messages never count. Exact; two index probes that read only messages above `read`. Parameters are SQL
 * expressions: conversation id, its last_seq, user id, read position.
 */
export const unreadCount = (conversation: string, lastSeq: string, user: string, read: string): string => `(
  ${lastSeq} - ${read}
  - (select count(*) from chat.message o where o.conversation_id = ${conversation} and o.sender_id = ${user} and o.seq > ${read} and o.type <> 'system')
  - (select count(*) from chat.message o where o.conversation_id = ${conversation} and o.seq > ${read} and (o.deleted_at is not null or o.type = 'system')
      and (o.type = 'system' or o.sender_id <> ${user})))`;

/** SQL: the number of unread messages that mention the user. */
export const mentionCount = (conversation: string, user: string, read: string): string => `(
  select count(*) from chat.message o where o.conversation_id = ${conversation} and o.seq > ${read} and o.mentions <> '{}' and ${user} = any(o.mentions)
    and o.sender_id <> ${user} and o.deleted_at is null and o.type <> 'system')`;

/** SQL: the columns of a `MemberRow`, given aliases of `chat.member` and `history.cursor`. */
export const memberColumns = (member: string, cursor: string): string =>
  `${member}.user_id, ${member}.role, ${statusNow(member)} as status, ${member}.muted_until, ${member}.banned_until, ${member}.joined_at,
   ${readSeq(member, cursor)} as read_seq, ${deliveredSeq(member, cursor)} as delivered_seq`;

/**
 * SQL: the columns of a `MembershipRow`, given aliases of `chat.conversation`, `chat.member`, `history.cursor` and
 * {@link preferenceJoin}.
 */
export const membershipColumns = (conversation: string, member: string, cursor: string, preference: string): string => {
  const above = unreadAbove(member, cursor, preference);
  return `${member}.role, ${statusNow(member)} as status, ${member}.muted_until, coalesce(${preference}.notifications, 'all') as notifications, ${preference}.unread_from,
    ${readSeq(member, cursor)} as read_seq, ${deliveredSeq(member, cursor)} as delivered_seq,
    ${unreadCount(`${conversation}.id`, `${conversation}.last_seq`, `${member}.user_id`, above)} as unread,
    ${mentionCount(`${conversation}.id`, `${member}.user_id`, above)} as mentions`;
};

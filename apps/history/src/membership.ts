import { ChatError } from '@parley/contracts';
import { statusNow, type MembershipRow, type Row, type Sql } from '@parley/store';

/**
 * SQL: what a member has read and received, given aliases of `chat.member` and of their `history.cursor`, which may be missing: the greater of the cursor and
 * where they joined (greatest() passes over null).
 */
export const readSeq = (member: string, cursor: string): string => `greatest(${cursor}.read_seq, ${member}.base_seq)`;
export const deliveredSeq = (member: string, cursor: string): string => `greatest(${cursor}.delivered_seq, ${member}.base_seq)`;

/** SQL: joins what a member set for themselves as `preference`; what they set before they left and joined again counts no more. */
export const preferenceJoin = (member: string, preference: string): string =>
  `left join history.preference ${preference} on ${preference}.conversation_id = ${member}.conversation_id and ${preference}.user_id = ${member}.user_id
     and ${preference}.updated_at >= ${member}.joined_at`;
/** SQL: messages above this one are unread: the member's own mark, else what they have read. */
export const unreadAbove = (member: string, cursor: string, preference: string): string => `coalesce(${preference}.unread_from - 1, ${readSeq(member, cursor)})`;

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

/** What somebody may see of a conversation. */
export interface Standing extends Row {
  id: string; kind: 'direct' | 'group' | 'channel'; visibility: 'private' | 'public'; last_seq: number; rev: number; conversation_rev: number; members_rev: number; drawing_rev: number;
  member_count: number; deleted_at: Date | null;
  /** Null for somebody who never was a member. */
  role: MembershipRow['role'] | null; status: string | null; left_at: Date | null;
  /** Messages above this one are unread. */
  unread_above: number | null;
}
const STANDING = `
  select c.id, c.kind, c.visibility, c.last_seq, c.rev, c.conversation_rev, c.members_rev, c.drawing_rev, c.member_count, c.deleted_at,
    m.role, ${statusNow('m')} as status, m.left_at, ${unreadAbove('m', 'k', 'p')} as unread_above
  from chat.conversation c
  left join chat.member m on m.conversation_id = c.id and m.user_id = $2
  left join history.cursor k on k.conversation_id = c.id and k.user_id = $2
  ${preferenceJoin('m', 'p')}
  where c.id = $1`;

export const isMember = ({ role, left_at, status }: Pick<Standing, 'role' | 'left_at' | 'status'>): boolean =>
  role !== null && left_at === null && status !== 'banned';

/** What somebody may see of a conversation; undefined when there is none. */
export async function standingOf(sql: Sql, conversationId: string, userId: string): Promise<Standing | undefined> {
  const [standing] = await sql.query<Standing>(STANDING, [conversationId, userId]);
  return standing;
}

async function demand(sql: Sql, conversationId: string, userId: string, what: 'description' | 'content'): Promise<Standing> {
  const standing = await standingOf(sql, conversationId, userId);
  const refused = refusalOf(standing, what);
  if (refused) throw refused;
  return standing!;
}
/** Refuses whoever may not know of the conversation; answers members, and anybody for a public one. */
export const demandVisible = (sql: Sql, conversationId: string, userId: string): Promise<Standing> => demand(sql, conversationId, userId, 'description');
/** Refuses whoever may not read its messages and members. */
export const demandMember = (sql: Sql, conversationId: string, userId: string): Promise<Standing> => demand(sql, conversationId, userId, 'content');

/** Why somebody may not see a conversation's description, or its content; undefined when they may. Strangers can't tell a private one from none. */
export function refusalOf(
  standing: Pick<Standing, 'visibility' | 'deleted_at' | 'role' | 'status' | 'left_at'> | undefined,
  what: 'description' | 'content',
): ChatError | undefined {
  if (!standing || standing.deleted_at !== null) return new ChatError('not_found', 'No such conversation');
  if (standing.status === 'banned') return new ChatError('banned');
  if (isMember(standing)) return undefined;
  if (standing.visibility === 'private') return new ChatError('not_found', 'No such conversation');
  return what === 'description' ? undefined : new ChatError('forbidden', 'Join the conversation first');
}

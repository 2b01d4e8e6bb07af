import { ChatError } from '@parley/contracts';
import { statusNow, type MembershipRow, type Row, type Sql } from '@parley/store';

/**
 * SQL: what a member has read and received, given aliases of `chat.member` and of their `history.cursor`, which may be missing: the greater of the cursor and
 * where they joined (greatest() passes over null).
 */
export const readSeq = (member: string, cursor: string): string => `greatest(${cursor}.read_seq, ${member}.base_seq)`;
export const deliveredSeq = (member: string, cursor: string): string => `greatest(${cursor}.delivered_seq, ${member}.base_seq)`;

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

/** SQL: the columns of a `MembershipRow`, given aliases of `chat.conversation`, the user's `chat.member` and `history.cursor`. */
export const membershipColumns = (conversation: string, member: string, cursor: string): string => {
  const read = readSeq(member, cursor);
  return `${member}.role, ${statusNow(member)} as status, ${member}.muted_until, 'all' as notifications, null::bigint as unread_from,
    ${read} as read_seq, ${deliveredSeq(member, cursor)} as delivered_seq,
    ${unreadCount(`${conversation}.id`, `${conversation}.last_seq`, `${member}.user_id`, read)} as unread,
    ${mentionCount(`${conversation}.id`, `${member}.user_id`, read)} as mentions`;
};

/** What somebody may see of a conversation. */
export interface Standing extends Row {
  id: string; visibility: 'private' | 'public'; last_seq: number; rev: number; conversation_rev: number; members_rev: number; member_count: number;
  deleted_at: Date | null;
  /** Null for somebody who never was a member. */
  role: MembershipRow['role'] | null; status: string | null; left_at: Date | null; read_seq: number | null;
}
const STANDING = `
  select c.id, c.visibility, c.last_seq, c.rev, c.conversation_rev, c.members_rev, c.member_count, c.deleted_at,
    m.role, ${statusNow('m')} as status, m.left_at, ${readSeq('m', 'k')} as read_seq
  from chat.conversation c
  left join chat.member m on m.conversation_id = c.id and m.user_id = $2
  left join history.cursor k on k.conversation_id = c.id and k.user_id = $2
  where c.id = $1`;

export const isMember = ({ role, left_at, status }: Pick<Standing, 'role' | 'left_at' | 'status'>): boolean =>
  role !== null && left_at === null && status !== 'banned';

/** Refuses whoever may not know of the conversation; answers members, and anybody for a public one. */
export async function demandVisible(sql: Sql, conversationId: string, userId: string): Promise<Standing> {
  const [standing] = await sql.query<Standing>(STANDING, [conversationId, userId]);
  const refused = refusalOf(standing, 'description');
  if (refused) throw refused;
  return standing!;
}

/** Refuses whoever may not read its messages and members. */
export async function demandMember(sql: Sql, conversationId: string, userId: string): Promise<Standing> {
  const [standing] = await sql.query<Standing>(STANDING, [conversationId, userId]);
  const refused = refusalOf(standing, 'content');
  if (refused) throw refused;
  return standing!;
}

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

import { ChatError } from '@parley/contracts';
import { preferenceJoin, statusNow, unreadAbove, type MembershipRow, type Row, type Sql } from '@parley/store';

export {
  deliveredSeq,
  membershipColumns,
  mentionCount,
  preferenceJoin,
  readSeq,
  unreadAbove,
  unreadCount,
} from '@parley/store';

/** What somebody may see of a conversation. */
export interface Standing extends Row {
  id: string;
  kind: 'direct' | 'group' | 'channel';
  visibility: 'private' | 'public';
  last_seq: number;
  rev: number;
  conversation_rev: number;
  members_rev: number;
  drawing_rev: number;
  member_count: number;
  deleted_at: Date | null;
  /** Null for somebody who never was a member. */
  role: MembershipRow['role'] | null;
  status: string | null;
  left_at: Date | null;
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

async function demand(
  sql: Sql,
  conversationId: string,
  userId: string,
  what: 'description' | 'content',
): Promise<Standing> {
  const standing = await standingOf(sql, conversationId, userId);
  const refused = refusalOf(standing, what);
  if (refused) throw refused;
  return standing!;
}
/** Refuses whoever may not know of the conversation; answers members, and anybody for a public one. */
export const demandVisible = (sql: Sql, conversationId: string, userId: string): Promise<Standing> =>
  demand(sql, conversationId, userId, 'description');
/** Refuses whoever may not read its messages and members. */
export const demandMember = (sql: Sql, conversationId: string, userId: string): Promise<Standing> =>
  demand(sql, conversationId, userId, 'content');

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

import { ChatError, type Policy } from '@parley/contracts';
import type { Row, Sql } from '@parley/store';
import { preferenceJoin, statusNow, unreadAbove } from './members.js';

/** The part of a conversation's row that decides access. */
interface Visibility {
  readonly visibility: string;
  readonly deleted_at: Date | null;
}
/** A user's row in a conversation, with their current status. All null for a user who was never a member. */
export interface MemberState {
  readonly role: string | null;
  readonly status: string | null;
  readonly left_at: Date | null;
}

/**
 * `member`: only members pass. `visible`: every user who may see the conversation passes; in a public one, everybody.
 */
export type Access = 'member' | 'visible';

/** True for a member who has not left and is not banned. */
export const isPresent = ({ role, status, left_at }: MemberState): boolean =>
  role !== null && left_at === null && status !== 'banned';

/**
 * The error for a user without access to a conversation; undefined for a user with access. Strangers and former members
 * get the same answer for a private conversation as for one that does not exist. Banned users get `banned`.
 */
export function accessRefusal(
  conversation: Visibility | undefined,
  member: MemberState | undefined,
  access: Access,
): ChatError | undefined {
  if (conversation === undefined || conversation.deleted_at !== null)
    return new ChatError('not_found', 'No such conversation');
  if (member?.status === 'banned') return new ChatError('banned');
  if (member && isPresent(member)) return undefined;
  if (conversation.visibility === 'private') return new ChatError('not_found', 'No such conversation');
  return access === 'visible' ? undefined : new ChatError('forbidden', 'Join the conversation first');
}

/** A conversation's description and counters, and the user's row in it. */
export interface ConversationAccess extends Row {
  id: string;
  kind: 'direct' | 'group' | 'channel';
  visibility: 'private' | 'public';
  policy: Policy;
  last_seq: number;
  rev: number;
  conversation_rev: number;
  members_rev: number;
  drawing_rev: number;
  member_count: number;
  deleted_at: Date | null;
  role: string | null;
  status: string | null;
  left_at: Date | null;
  /** Messages with a greater `seq` are unread. */
  unread_above: number | null;
}
const ACCESS = `
  select c.id, c.kind, c.visibility, c.policy, c.last_seq, c.rev, c.conversation_rev, c.members_rev, c.drawing_rev, c.member_count, c.deleted_at,
    m.role, ${statusNow('m')} as status, m.left_at, ${unreadAbove('m', 'k', 'p')} as unread_above
  from chat.conversation c
  left join chat.member m on m.conversation_id = c.id and m.user_id = $2
  left join history.cursor k on k.conversation_id = c.id and k.user_id = $2
  ${preferenceJoin('m', 'p')}
  where c.id = $1`;

async function requireAccess(
  sql: Sql,
  conversationId: string,
  userId: string,
  access: Access,
): Promise<ConversationAccess> {
  const [row] = await sql.query<ConversationAccess>(ACCESS, [conversationId, userId]);
  const refused = accessRefusal(row, row, access);
  if (refused) throw refused;
  return row!;
}

/** Reads a conversation, without locking it, for a user with access. Throws the {@link accessRefusal} for others. */
export const requireVisible = (sql: Sql, conversationId: string, userId: string): Promise<ConversationAccess> =>
  requireAccess(sql, conversationId, userId, 'visible');
/** Reads a conversation, without locking it, for one of its members. Throws the {@link accessRefusal} of others. */
export const requireMember = (sql: Sql, conversationId: string, userId: string): Promise<ConversationAccess> =>
  requireAccess(sql, conversationId, userId, 'member');

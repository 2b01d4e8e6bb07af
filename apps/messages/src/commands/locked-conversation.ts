import { conversationColumns, hasBlocks, statusNow, type ConversationRow, type MemberState } from '@parley/chat';
import type { Row, Sql } from '@parley/store';

/** A conversation whose row this transaction has locked: until the commit no other transaction assigns its `seq` and `rev` or changes its members. */
export interface LockedConversation extends ConversationRow {
  kind: 'direct' | 'group' | 'channel';
  visibility: 'private' | 'public';
  conversation_rev: number;
  members_rev: number;
  drawing_rev: number;
  active_at: Date;
  deleted_at: Date | null;
}
const LOCK = `
  select ${conversationColumns('c')}, c.conversation_rev, c.members_rev, c.drawing_rev, c.active_at, c.deleted_at
  from chat.conversation c where c.id = any($1::uuid[]) order by c.id for update`;
/** Locks the conversations in id order, so that transactions never deadlock. Those that do not exist are absent. */
export const lockConversations = (sql: Sql, ids: readonly string[]): Promise<LockedConversation[]> =>
  sql.query<LockedConversation>(LOCK, [ids]);

/** A user in a conversation. */
export interface ConversationUser {
  readonly conversationId: string;
  readonly userId: string;
}
/** A caller's row in a conversation, all null if they were never a member, and the database's time at which it was read. */
export interface CallerState extends Row, MemberState {
  readonly now: Date;
  readonly role: string | null;
  readonly status: string | null;
  readonly left_at: Date | null;
  /**
   * True when the caller blocks anybody or is blocked by anybody, in any conversation: see `mayBeBlocked`. The query does not join the other person of a direct conversation, because
   * planning that join costs every small batch more than the second query costs the few that need it.
   */
  readonly has_blocks: boolean;
}
const CALLERS = `
  select clock_timestamp() as now, m.role, ${statusNow('m')} as status, m.left_at, ${hasBlocks('q.user_id')} as has_blocks
  from unnest($1::uuid[], $2::uuid[]) with ordinality as q(conversation_id, user_id, n)
  left join chat.member m on m.conversation_id = q.conversation_id and m.user_id = q.user_id
  order by q.n`;
/** One row for each caller, in their order. Exact under the locks of {@link lockConversations}. */
export const callerStatesOf = (sql: Sql, callers: readonly ConversationUser[]): Promise<CallerState[]> =>
  sql.query<CallerState>(CALLERS, [
    callers.map(({ conversationId }) => conversationId),
    callers.map(({ userId }) => userId),
  ]);

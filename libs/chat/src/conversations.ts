import type { Conversation } from '@parley/contracts';
import type { Sql } from '@parley/store';
import { isMemberNow, membershipColumns, preferenceJoin } from './members.js';
import { withOwnReactions } from './reactions.js';
import {
  conversationColumns,
  memberIdsColumn,
  messageColumns,
  toConversation,
  toMembership,
  toMessage,
  type ConversationRow,
  type MembershipRow,
  type MessageRow,
  type Moment,
} from './rows.js';

/**
 * A conversation as one user sees it: with their membership and its last message, both null for users who are not members.
 */
export interface ConversationViewRow extends ConversationRow {
  active_at: Moment;
  me: MembershipRow | null;
  last_message: MessageRow | null;
}
/**
 * SQL: the columns of a {@link ConversationViewRow} for user $1, given `chat.conversation c` and
 * {@link conversationViewJoins}.
 */
export const conversationViewColumns = `${conversationColumns('c')}, ${memberIdsColumn('c')}, c.active_at, to_jsonb(me) as me, to_jsonb(l) as last_message`;
/**
 * SQL: the joins of {@link conversationViewColumns}: the membership of user $1 as `me`, and for members the last
 * message as `l`.
 */
export const conversationViewJoins = `
  left join lateral (
    select ${membershipColumns('c', 'm', 'k', 'p')}
    from chat.member m left join history.cursor k on k.conversation_id = m.conversation_id and k.user_id = m.user_id ${preferenceJoin('m', 'p')}
    where m.conversation_id = c.id and m.user_id = $1 and ${isMemberNow('m')}) me on true
  left join lateral (
    select ${messageColumns('l')} from chat.message l where l.conversation_id = c.id and l.seq = c.last_seq and me.role is not null) l on true`;

/** The conversations of the rows, with the user's own reactions marked in their last messages. */
export async function toConversationViews(
  sql: Sql,
  userId: string,
  rows: readonly ConversationViewRow[],
): Promise<Conversation[]> {
  const lastMessages = await withOwnReactions(
    sql,
    userId,
    rows.flatMap(({ last_message }) => (last_message ? [toMessage(last_message)] : [])),
  );
  const byConversation = new Map(lastMessages.map((message) => [message.conversationId, message]));
  return rows.map((row) => toConversation(row, row.me ? toMembership(row.me) : undefined, byConversation.get(row.id)));
}

const BY_ID = `
  select ${conversationViewColumns} from chat.conversation c ${conversationViewJoins}
  where c.id = any($2::uuid[]) and c.deleted_at is null order by c.active_at desc, c.id desc`;

/** Conversations as `userId` sees them, most recently active first; deleted ones are absent. Does not check access. */
export async function viewConversations(sql: Sql, userId: string, ids: readonly string[]): Promise<Conversation[]> {
  if (ids.length === 0) return [];
  return toConversationViews(sql, userId, await sql.query<ConversationViewRow>(BY_ID, [userId, ids]));
}

import type { Sql } from '@parley/store';

/** SQL: true when one of two users blocks the other. */
export const blockBetween = (user: string, other: string): string =>
  `(exists (select 1 from chat.block b where b.blocker_id = ${user} and b.blocked_id = ${other})
    or exists (select 1 from chat.block b where b.blocker_id = ${other} and b.blocked_id = ${user}))`;

/** SQL: true when the user blocks anybody or is blocked by anybody. */
export const hasBlocks = (user: string): string =>
  `(exists (select 1 from chat.block b where b.blocker_id = ${user}) or exists (select 1 from chat.block b where b.blocked_id = ${user}))`;

const BLOCKED = `
  select q.n from unnest($1::uuid[], $2::uuid[]) with ordinality as q(conversation_id, user_id, n)
  join chat.member o on o.conversation_id = q.conversation_id and o.user_id <> q.user_id
  where ${blockBetween('q.user_id', 'o.user_id')}`;

/**
 * Indexes of the pairs in which the user and the other person of a direct conversation block one another in either direction. Every pair must name a direct conversation.
 * No query for an empty list.
 */
export async function blockedPairs(
  sql: Sql,
  pairs: readonly { readonly conversationId: string; readonly userId: string }[],
): Promise<Set<number>> {
  if (pairs.length === 0) return new Set();
  const rows = await sql.query<{ n: number }>(BLOCKED, [
    pairs.map(({ conversationId }) => conversationId),
    pairs.map(({ userId }) => userId),
  ]);
  return new Set(rows.map(({ n }) => n - 1));
}

/** False where {@link blockedPairs} cannot find anything: the conversation is not direct, or the user has no blocks in either direction (see {@link hasBlocks}). */
export const mayBeBlocked = (
  { kind }: { readonly kind: string },
  { has_blocks }: { readonly has_blocks: boolean },
): boolean => kind === 'direct' && has_blocks;

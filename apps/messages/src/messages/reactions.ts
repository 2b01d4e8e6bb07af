import type { MessageRow } from '@parley/chat';
import { ChatError, type Reaction } from '@parley/contracts';
import type { ConversationChange } from '../commands/change.js';
import { requireChangeable, requireWriting, updateRow, type MessageChange } from './change.js';

/** Maximum number of different emojis on one message. */
const MAX_EMOJIS = 50;
/** Maximum number of users that the summary of an emoji names. */
const MAX_NAMED_USERS = 20;

/** Adds the caller's reaction. Adding it again changes nothing. */
export async function addReaction(change: ConversationChange, row: MessageRow, emoji: string): Promise<MessageChange> {
  await requireReacting(change, row);
  const { sql, userId, now } = change;
  const reactions = row.reactions ?? [];
  if (reactions.length >= MAX_EMOJIS && !reactions.some((reaction) => reaction.emoji === emoji))
    throw new ChatError('too_large', `A message has at most ${MAX_EMOJIS} different reactions`);
  const added = await sql.query(
    `insert into chat.reaction (conversation_id, message_id, emoji, user_id, created_at) values ($1, $2, $3, $4, $5) on conflict do nothing returning 1`,
    [row.conversation_id, row.id, emoji, userId, now],
  );
  return updateSummary(change, row, emoji, { changed: added.length > 0, added: true });
}

/** Removes the caller's reaction, if any. */
export async function removeReaction(
  change: ConversationChange,
  row: MessageRow,
  emoji: string,
): Promise<MessageChange> {
  await requireReacting(change, row);
  const removed = await change.sql.query(
    `delete from chat.reaction where conversation_id = $1 and message_id = $2 and emoji = $3 and user_id = $4 returning 1`,
    [row.conversation_id, row.id, emoji, change.userId],
  );
  return updateSummary(change, row, emoji, { changed: removed.length > 0, added: false });
}

async function requireReacting(change: ConversationChange, row: MessageRow): Promise<void> {
  await requireWriting('react', change);
  requireChangeable(row);
}

async function updateSummary(
  change: ConversationChange,
  row: MessageRow,
  emoji: string,
  { changed, added }: { changed: boolean; added: boolean },
): Promise<MessageChange> {
  const reaction = { userId: change.userId, emoji, added };
  if (!changed) return { row, reaction };
  const reactions = withSummary(row.reactions ?? [], await summaryOf(change, row, emoji));
  const updated = await updateRow(change, row, 'reactions = $4::jsonb', [
    reactions.length === 0 ? undefined : JSON.stringify(reactions),
  ]);
  return { row: updated, reaction };
}

/** Counts the reactions each time, so that the summary in the message's row cannot drift from them. */
async function summaryOf({ sql }: ConversationChange, row: MessageRow, emoji: string): Promise<Reaction> {
  const [summary] = await sql.query<{ count: number; users: string[] }>(
    `with all_of as (select user_id, created_at from chat.reaction where conversation_id = $1 and message_id = $2 and emoji = $3)
     select (select count(*) from all_of)::int as count, array(select user_id from all_of order by created_at, user_id limit $4) as users`,
    [row.conversation_id, row.id, emoji, MAX_NAMED_USERS],
  );
  return { emoji, count: summary!.count, userIds: summary!.users };
}

/** Keeps the emojis in the order of their first use, and removes an emoji without users. */
function withSummary(reactions: readonly Reaction[], summary: Reaction): Reaction[] {
  const present = reactions.some(({ emoji }) => emoji === summary.emoji);
  const updated = present
    ? reactions.map((reaction) => (reaction.emoji === summary.emoji ? summary : reaction))
    : [...reactions, summary];
  return updated.filter(({ count }) => count > 0);
}

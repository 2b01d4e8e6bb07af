import type { MessageRow } from '@parley/chat';
import { canonicalEmoji, ChatError, type Reaction } from '@parley/contracts';
import type { ConversationChange } from '../commands/change.js';
import { requireChangeable, requireWriting, updateRow, type MessageChange } from './change.js';

/** Maximum number of different emojis on one message. */
const MAX_EMOJIS = 50;
/** Maximum number of users that the summary of an emoji names. */
const MAX_NAMED_USERS = 20;
const NONE: readonly Reaction[] = [];

/** Adds the caller's reaction. Adding it again changes nothing. */
export async function addReaction(change: ConversationChange, row: MessageRow, emoji: string): Promise<MessageChange> {
  await requireReacting(change, row);
  const reactions = await withOneSpelling(change, row);
  if (reactions.length >= MAX_EMOJIS && !reactions.some((reaction) => reaction.emoji === emoji))
    throw new ChatError('too_large', `A message has at most ${MAX_EMOJIS} different reactions`);
  const added = await change.sql.query(
    `insert into chat.reaction (conversation_id, message_id, emoji, user_id, created_at) values ($1, $2, $3, $4, $5) on conflict do nothing returning 1`,
    [row.conversation_id, row.id, emoji, change.userId, change.now],
  );
  return updateSummary(change, row, reactions, { emoji, changed: added.length > 0, added: true });
}

/** Removes the caller's reaction, if any. */
export async function removeReaction(
  change: ConversationChange,
  row: MessageRow,
  emoji: string,
): Promise<MessageChange> {
  await requireReacting(change, row);
  if (canonicalEmoji(emoji) === undefined && !row.reactions?.some((reaction) => reaction.emoji === emoji))
    throw new ChatError('invalid', 'emoji: must be one emoji');
  const reactions = await withOneSpelling(change, row);
  const removed = await change.sql.query(
    `delete from chat.reaction where conversation_id = $1 and message_id = $2 and emoji = $3 and user_id = $4 returning 1`,
    [row.conversation_id, row.id, emoji, change.userId],
  );
  return updateSummary(change, row, reactions, { emoji, changed: removed.length > 0, added: false });
}

/**
 * The message's reactions, each emoji in one spelling. Earlier versions stored what clients sent, with or without
 * variation selectors: reactions with the same emoji are united here, when somebody reacts to the message or takes a
 * reaction back. Returns `row.reactions` itself when there is nothing to unite.
 */
async function withOneSpelling(change: ConversationChange, row: MessageRow): Promise<readonly Reaction[]> {
  let reactions = row.reactions ?? NONE;
  for (const { emoji: stored } of reactions) {
    const emoji = canonicalEmoji(stored) ?? stored;
    if (emoji === stored) continue;
    await change.sql.query(
      `with old as (delete from chat.reaction where conversation_id = $1 and message_id = $2 and emoji = $3 returning user_id, created_at)
       insert into chat.reaction (conversation_id, message_id, emoji, user_id, created_at) select $1, $2, $4, user_id, created_at from old on conflict do nothing`,
      [row.conversation_id, row.id, stored, emoji],
    );
    // In the place of the spelling that was used first.
    const united = reactions.some((reaction) => reaction.emoji === emoji)
      ? reactions.filter((reaction) => reaction.emoji !== stored)
      : reactions.map((reaction) => (reaction.emoji === stored ? { ...reaction, emoji } : reaction));
    reactions = withSummary(united, await summaryOf(change, row, emoji));
  }
  return reactions;
}

async function requireReacting(change: ConversationChange, row: MessageRow): Promise<void> {
  await requireWriting('react', change);
  requireChangeable(row);
}

async function updateSummary(
  change: ConversationChange,
  row: MessageRow,
  before: readonly Reaction[],
  { emoji, changed, added }: { emoji: string; changed: boolean; added: boolean },
): Promise<MessageChange> {
  const reaction = { userId: change.userId, emoji, added };
  if (!changed && before === (row.reactions ?? NONE)) return { row, reaction };
  const reactions = changed ? withSummary(before, await summaryOf(change, row, emoji)) : before;
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

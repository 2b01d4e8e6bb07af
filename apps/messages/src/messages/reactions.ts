import type { MessageRow } from '@parley/chat';
import { ChatError, type Reaction } from '@parley/contracts';
import type { Change } from '../commands/change.js';
import { demandLiving, demandWriting, rewrite, type Left } from './change.js';

/** Different emojis on one message. */
const EMOJIS_MAX = 50;
/** Of those who reacted, so many are named. */
const NAMED = 20;

/** Adds the caller's reaction; one that is there already stays as it is. */
export async function addReaction(change: Change, row: MessageRow, emoji: string): Promise<Left> {
  await admit(change, row);
  const { sql, userId, now } = change;
  const reactions = row.reactions ?? [];
  if (reactions.length >= EMOJIS_MAX && !reactions.some((one) => one.emoji === emoji))
    throw new ChatError('too_large', `A message has at most ${EMOJIS_MAX} different reactions`);
  const added = await sql.query(
    `insert into chat.reaction (conversation_id, message_id, emoji, user_id, created_at) values ($1, $2, $3, $4, $5) on conflict do nothing returning 1`,
    [row.conversation_id, row.id, emoji, userId, now],
  );
  return summarized(change, row, emoji, { changed: added.length > 0, added: true });
}

/** Takes the caller's reaction back; none is nothing to do. */
export async function removeReaction(change: Change, row: MessageRow, emoji: string): Promise<Left> {
  await admit(change, row);
  const removed = await change.sql.query(
    `delete from chat.reaction where conversation_id = $1 and message_id = $2 and emoji = $3 and user_id = $4 returning 1`,
    [row.conversation_id, row.id, emoji, change.userId],
  );
  return summarized(change, row, emoji, { changed: removed.length > 0, added: false });
}

async function admit(change: Change, row: MessageRow): Promise<void> {
  await demandWriting('react', change);
  demandLiving(row);
}

async function summarized(
  change: Change,
  row: MessageRow,
  emoji: string,
  { changed, added }: { changed: boolean; added: boolean },
): Promise<Left> {
  const reaction = { userId: change.userId, emoji, added };
  if (!changed) return { row, reaction };
  const reactions = replaced(row.reactions ?? [], await summaryOf(change, row, emoji));
  const after = await rewrite(change, row, 'reactions = $4::jsonb', [
    reactions.length === 0 ? undefined : JSON.stringify(reactions),
  ]);
  return { row: after, reaction };
}

/** Counted afresh each time, so that the summary in the message's row can never drift from the reactions. */
async function summaryOf({ sql }: Change, row: MessageRow, emoji: string): Promise<Reaction> {
  const [found] = await sql.query<{ count: number; users: string[] }>(
    `with all_of as (select user_id, created_at from chat.reaction where conversation_id = $1 and message_id = $2 and emoji = $3)
     select (select count(*) from all_of)::int as count, array(select user_id from all_of order by created_at, user_id limit $4) as users`,
    [row.conversation_id, row.id, emoji, NAMED],
  );
  return { emoji, count: found!.count, userIds: found!.users };
}

/** In the order of their first use; an emoji that nobody uses any more goes. */
function replaced(reactions: readonly Reaction[], summary: Reaction): Reaction[] {
  const present = reactions.some(({ emoji }) => emoji === summary.emoji);
  const all = present
    ? reactions.map((reaction) => (reaction.emoji === summary.emoji ? summary : reaction))
    : [...reactions, summary];
  return all.filter(({ count }) => count > 0);
}

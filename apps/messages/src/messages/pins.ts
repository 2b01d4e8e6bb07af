import type { MessageRow } from '@parley/chat';
import { ChatError } from '@parley/contracts';
import type { Change } from '../commands/change.js';
import { demandLiving, demandWriting, rewrite, type Left } from './change.js';

/** Pinned messages of one conversation. */
const PINS_MAX = 100;

/** Pins a message; one that is pinned stays so, with the time of its pin. */
export async function pinMessage(change: Change, row: MessageRow): Promise<Left> {
  await demandWriting('pin', change);
  demandLiving(row);
  if (row.pinned_at !== null) return { row };
  const [pinned] = await change.sql.query<{ count: number }>(
    `select count(*)::int as count from chat.message where conversation_id = $1 and pinned_at is not null`,
    [row.conversation_id],
  );
  if (pinned!.count >= PINS_MAX)
    throw new ChatError('too_large', `A conversation has at most ${PINS_MAX} pinned messages`);
  return { row: await rewrite(change, row, 'pinned_at = $4, pinned_by = $5', [change.now, change.userId]) };
}

/** Takes a pin away; none is nothing to do. */
export async function unpinMessage(change: Change, row: MessageRow): Promise<Left> {
  await demandWriting('pin', change);
  demandLiving(row);
  return { row: row.pinned_at === null ? row : await rewrite(change, row, 'pinned_at = null, pinned_by = null') };
}

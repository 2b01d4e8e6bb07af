import type { MessageRow } from '@parley/chat';
import { ChatError } from '@parley/contracts';
import type { ConversationChange } from '../commands/change.js';
import { requireChangeable, requireWriting, updateRow, type MessageChange } from './change.js';

/** Maximum number of pinned messages of one conversation. */
const MAX_PINS = 100;

/** Pins a message. A pinned message keeps the time of its pin. */
export async function pinMessage(change: ConversationChange, row: MessageRow): Promise<MessageChange> {
  await requireWriting('pin', change);
  requireChangeable(row);
  if (row.pinned_at !== null) return { row };
  const [pinned] = await change.sql.query<{ count: number }>(
    `select count(*)::int as count from chat.message where conversation_id = $1 and pinned_at is not null`,
    [row.conversation_id],
  );
  if (pinned!.count >= MAX_PINS)
    throw new ChatError('too_large', `A conversation has at most ${MAX_PINS} pinned messages`);
  return { row: await updateRow(change, row, 'pinned_at = $4, pinned_by = $5', [change.now, change.userId]) };
}

/** Unpins a message. Unpinning it again changes nothing. */
export async function unpinMessage(change: ConversationChange, row: MessageRow): Promise<MessageChange> {
  await requireWriting('pin', change);
  requireChangeable(row);
  return { row: row.pinned_at === null ? row : await updateRow(change, row, 'pinned_at = null, pinned_by = null') };
}

import { requirePermission, type MessageRow } from '@parley/chat';
import { ChatError } from '@parley/contracts';
import type { ConversationChange } from '../commands/change.js';
import { updateRow, type MessageChange } from './change.js';

// The sweep drops attachments whose messages are all deleted.
const ERASE = `
  with reactions as (delete from chat.reaction where conversation_id = $1 and message_id = $2),
  edits as (delete from chat.message_edit where conversation_id = $1 and message_id = $2)
  delete from chat.message_attachment where conversation_id = $1 and message_id = $2`;

/**
 * Leaves a tombstone: body, attachments, reactions and edits are removed from the database. Everybody may delete their
 * own messages, some roles those of others. Deleting again returns the tombstone.
 */
export async function deleteMessage(change: ConversationChange, row: MessageRow): Promise<MessageChange> {
  if (row.sender_id !== change.userId) requirePermission('deleteOthers', change);
  if (change.member.status === 'muted') throw new ChatError('muted');
  if (row.type === 'system') throw new ChatError('forbidden', 'System messages cannot be changed');
  if (row.deleted_at !== null) return { row };
  await change.sql.query(ERASE, [row.conversation_id, row.id]);
  const tombstone = `body = '', mentions = '{}', attachments = null, reactions = null, forwarded_from = null, pinned_at = null, pinned_by = null, deleted_at = $4`;
  return { row: await updateRow(change, row, tombstone, [change.now]) };
}

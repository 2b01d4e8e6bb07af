import { requirePermission, type MessageRow } from '@parley/chat';
import { ChatError } from '@parley/contracts';
import type { Change } from '../commands/change.js';
import { rewrite, type Left } from './change.js';

// Attachments that no message carries any more are dropped by who sweeps them.
const WIPE = `
  with reactions as (delete from chat.reaction where conversation_id = $1 and message_id = $2),
  edits as (delete from chat.message_edit where conversation_id = $1 and message_id = $2)
  delete from chat.message_attachment where conversation_id = $1 and message_id = $2`;

/** Leaves a tombstone: what the message said, carried and got is gone, also from the database. One's own, or anybody's for whoever may; deleting it again answers the tombstone. */
export async function deleteMessage(change: Change, row: MessageRow): Promise<Left> {
  if (row.sender_id !== change.userId) requirePermission('deleteOthers', change);
  if (change.member.status === 'muted') throw new ChatError('muted');
  if (row.type === 'system') throw new ChatError('forbidden', 'A system message stays as it is');
  if (row.deleted_at !== null) return { row };
  await change.sql.query(WIPE, [row.conversation_id, row.id]);
  const gone = `body = '', mentions = '{}', attachments = null, reactions = null, forwarded_from = null, pinned_at = null, pinned_by = null, deleted_at = $4`;
  return { row: await rewrite(change, row, gone, [change.now]) };
}

import type { MessageRow } from '@parley/chat';
import { ChatError } from '@parley/contracts';
import type { Change } from '../commands/change.js';
import { demandLiving, demandWriting, rewrite, type Left } from './change.js';
import { mentionsOf, type Names } from '../people/mentions.js';

/**
 * Gives a message a new body; who is mentioned follows from it. Attachments, reactions and the pin stay, and the old body is kept for the conversation's admins. Only its sender may,
 * and not what they forwarded. A body that is there already is no change, and neither is a command that was carried out before.
 */
export async function editMessage(
  change: Change,
  row: MessageRow,
  body: string,
  names: Names | undefined,
): Promise<Left> {
  if (row.sender_id !== change.userId) throw new ChatError('forbidden', 'Only its sender edits a message');
  await demandWriting('write', change);
  demandLiving(row);
  if (row.forwarded_from !== null) throw new ChatError('forbidden', 'A forwarded message stays as it was written');
  const [mentions] = await mentionsOf(change.sql, [{ conversationId: change.conversation.id, body }], names);
  if (mentions === undefined) throw new ChatError('unavailable', 'Who is mentioned cannot be said now');
  if (row.body === body || (await wasDone(change, row))) return { row };
  const edited = await rewrite(change, row, 'body = $4, mentions = $5::uuid[], edited_at = $6', [
    body,
    mentions,
    change.now,
  ]);
  await change.sql.query(
    `insert into chat.message_edit (conversation_id, message_id, rev, body, edited_at, request_id) values ($1, $2, $3, $4, $5, $6)`,
    [edited.conversation_id, edited.id, edited.rev, row.body, change.now, change.command.caller.requestId],
  );
  return { row: edited };
}

/** A later edit may have come between a command and its redelivery: that one stays. */
async function wasDone({ sql, repeat, command }: Change, row: MessageRow): Promise<boolean> {
  if (!repeat) return false;
  const found = await sql.query(
    `select 1 from chat.message_edit where conversation_id = $1 and message_id = $2 and request_id = $3`,
    [row.conversation_id, row.id, command.caller.requestId],
  );
  return found.length > 0;
}

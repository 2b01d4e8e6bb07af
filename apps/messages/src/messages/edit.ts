import type { MessageRow } from '@parley/chat';
import { ChatError } from '@parley/contracts';
import type { ConversationChange } from '../commands/change.js';
import { candidatesOf, mentionsOf, type UsersByName } from '../people/mentions.js';
import { requireChangeable, requireWriting, updateRow, type MessageChange } from './change.js';

/**
 * Replaces a message's body and mentions. Attachments, reactions and the pin stay; the old body is kept for the
 * conversation's admins. Only the sender may edit, and not a forwarded message. The same body, or a redelivered edit
 * that was already carried out, changes nothing.
 */
export async function editMessage(
  change: ConversationChange,
  row: MessageRow,
  body: string,
  users: UsersByName | undefined,
): Promise<MessageChange> {
  if (row.sender_id !== change.userId) throw new ChatError('forbidden', 'Only the sender may edit a message');
  await requireWriting('write', change);
  requireChangeable(row);
  if (row.forwarded_from !== null) throw new ChatError('forbidden', 'A forwarded message cannot be edited');
  const named = users && withoutNewHolders(users, row);
  const [mentions] = await mentionsOf(change.sql, [{ conversationId: change.conversation.id, body }], named);
  if (mentions === undefined) throw new ChatError('unavailable', 'Mentions cannot be resolved now');
  if (row.body === body || (await isCarriedOut(change, row))) return { row };
  requireEditWindow(change, row);
  const edited = await updateRow(change, row, 'body = $4, mentions = $5::uuid[], edited_at = $6', [
    body,
    mentions,
    change.now,
  ]);
  await change.sql.query(
    `insert into chat.message_edit (conversation_id, message_id, rev, body, edited_at, request_id) values ($1, $2, $3, $4, $5, $6)`,
    [edited.conversation_id, edited.id, edited.rev, row.body, change.now, change.context.caller.requestId],
  );
  return { row: edited };
}

/**
 * Where sending is limited, members may edit for this long: otherwise an old message could become a new one at any time.
 */
const EDIT_WINDOW_MS = 5 * 60_000;

/** Refuses late edits of members in a conversation with slow mode or a reaction gate. */
function requireEditWindow({ conversation, member, now }: ConversationChange, { created_at }: MessageRow): void {
  const { slowModeSeconds = 0, reactionGate = 0 } = conversation.policy;
  if ((slowModeSeconds === 0 && reactionGate === 0) || member.role !== 'member') return;
  if (now.getTime() - new Date(created_at).getTime() > EDIT_WINDOW_MS)
    throw new ChatError('forbidden', 'Here a message can be edited for 5 minutes after it was sent');
}

/**
 * The users without those whose names the message had before without meaning them: somebody else's former username does
 * not mention its new holder.
 */
function withoutNewHolders(users: UsersByName, row: MessageRow): UsersByName {
  const before = new Set(candidatesOf(row.body).flat());
  return new Map([...users].filter(([name, userId]) => !before.has(name) || row.mentions.includes(userId)));
}

/**
 * Whether this request has already edited the message. A later edit, which must stay, may have come before the
 * redelivery.
 */
async function isCarriedOut({ sql, repeat, context }: ConversationChange, row: MessageRow): Promise<boolean> {
  if (!repeat) return false;
  const found = await sql.query(
    `select 1 from chat.message_edit where conversation_id = $1 and message_id = $2 and request_id = $3`,
    [row.conversation_id, row.id, context.caller.requestId],
  );
  return found.length > 0;
}

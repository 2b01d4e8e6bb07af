import { requireWriting } from '../messages/change.js';
import type { ConversationChange } from '../commands/change.js';

/**
 * Empties the board and returns the `rev` of the reset. A redelivered command that finds the board empty returns the
 * last reset.
 */
export async function resetDrawing(change: ConversationChange): Promise<{ rev: number }> {
  await requireWriting('draw', change);
  const { conversation, userId } = change;
  const removed = await change.sql.query(`delete from chat.drawing_line where conversation_id = $1 returning 1`, [
    conversation.id,
  ]);
  const isDone = change.repeat && removed.length === 0 && conversation.drawing_rev > 0;
  const rev = isDone ? conversation.drawing_rev : change.nextRev('drawing');
  change.events.push({
    to: await change.audience(),
    event: 'drawing:reset',
    payload: { conversationId: conversation.id, userId, rev },
    id: `${conversation.id}:${rev}`,
  });
  return { rev };
}

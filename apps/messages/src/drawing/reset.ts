import type { Change } from '../commands/change.js';
import { demandWriting } from '../messages/change.js';

/** Empties the board, and answers the `rev` of that. A command that comes again finds the board empty, and answers the last time that it was emptied. */
export async function resetDrawing(change: Change): Promise<{ rev: number }> {
  await demandWriting('draw', change);
  const { conversation, userId } = change;
  const removed = await change.sql.query(`delete from chat.drawing_line where conversation_id = $1 returning 1`, [
    conversation.id,
  ]);
  const done = change.repeat && removed.length === 0 && conversation.drawing_rev > 0;
  const rev = done ? conversation.drawing_rev : change.nextRev('drawing');
  change.news.push({
    to: await change.audience(),
    event: 'drawing:reset',
    payload: { conversationId: conversation.id, userId, rev },
    id: `${conversation.id}:${rev}`,
  });
  return { rev };
}

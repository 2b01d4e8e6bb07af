import type { CallInput } from '@parley/contracts';
import type { ConversationChange } from '../commands/change.js';
import { requireWriting } from '../messages/change.js';

const CHANGE = `
  update chat.drawing_line set color = coalesce($4, color), width = coalesce($5::real, width)
  where conversation_id = $1 and user_id = $2 and id = any($3::text[]) returning id`;

/**
 * Gives lines of the caller another colour or width, and pushes the ids of those that it has. Like a new line it takes no
 * `rev`: boards are loaded whole, not caught up with. A redelivered command changes and pushes the same again.
 */
export async function changeLines(
  change: ConversationChange,
  { lineIds, color, width }: CallInput<'drawing.change'>,
): Promise<object> {
  await requireWriting('draw', change);
  const { conversation, userId, sql } = change;
  const changed = await sql.query<{ id: string }>(CHANGE, [conversation.id, userId, lineIds, color, width]);
  if (changed.length > 0)
    change.events.push({
      to: await change.audience(),
      event: 'drawing:changed',
      payload: {
        conversationId: conversation.id,
        userId,
        lineIds: changed.map(({ id }) => id),
        ...(color !== undefined && { color }),
        ...(width !== undefined && { width }),
      },
      id: `${conversation.id}:lines:${change.context.caller.requestId}`,
    });
  return {};
}

/** Takes lines of the caller off the board. A redelivered command pushes again that they are gone. */
export async function removeLines(
  change: ConversationChange,
  { lineIds }: CallInput<'drawing.remove'>,
): Promise<object> {
  await requireWriting('draw', change);
  const { conversation, userId, sql } = change;
  const removed = await sql.query<{ id: string }>(
    `delete from chat.drawing_line where conversation_id = $1 and user_id = $2 and id = any($3::text[]) returning id`,
    [conversation.id, userId, lineIds],
  );
  // Of a redelivered command it is not known which of them were the caller's. Clients ignore lines that are not.
  const ids = change.repeat ? lineIds : removed.map(({ id }) => id);
  if (ids.length > 0)
    change.events.push({
      to: await change.audience(),
      event: 'drawing:removed',
      payload: { conversationId: conversation.id, userId, lineIds: ids },
      id: `${conversation.id}:lines:${change.context.caller.requestId}`,
    });
  return {};
}

import type { Message } from '@parley/contracts';
import type { Sql } from '@parley/store';

const OWN = `
  select r.message_id, r.emoji from unnest($1::uuid[], $2::uuid[]) as q(conversation_id, message_id)
  join chat.reaction r on r.conversation_id = q.conversation_id and r.message_id = q.message_id and r.user_id = $3`;

/**
 * The messages with `mine: true` on the reactions of `userId`. A reaction summary names its first 20 users; rows are
 * read only for summaries of more users that do not name this one: one query for all messages, none as a rule. Leaves
 * its input unchanged.
 */
export async function withOwnReactions(sql: Sql, userId: string, messages: readonly Message[]): Promise<Message[]> {
  const unclear = messages.filter(({ reactions }) =>
    reactions.some(({ count, userIds }) => count > userIds.length && !userIds.includes(userId)),
  );
  const rows =
    unclear.length === 0
      ? []
      : await sql.query<{ message_id: string; emoji: string }>(OWN, [
          unclear.map(({ conversationId }) => conversationId),
          unclear.map(({ id }) => id),
          userId,
        ]);
  const own = new Set(rows.map(({ message_id, emoji }) => `${message_id} ${emoji}`));
  return messages.map((message) =>
    message.reactions.length === 0
      ? message
      : {
          ...message,
          reactions: message.reactions.map((reaction) =>
            reaction.userIds.includes(userId) || own.has(`${message.id} ${reaction.emoji}`)
              ? { ...reaction, mine: true }
              : reaction,
          ),
        },
  );
}

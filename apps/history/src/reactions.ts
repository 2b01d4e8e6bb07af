import type { Message } from '@parley/contracts';
import type { Row, Sql } from '@parley/store';

const MINE = `
  select r.message_id, r.emoji from unnest($1::uuid[], $2::uuid[]) as q(conversation_id, message_id)
  join chat.reaction r on r.conversation_id = q.conversation_id and r.message_id = q.message_id and r.user_id = $3`;
interface Own extends Row {
  message_id: string;
  emoji: string;
}

/**
 * Marks the reactions of `userId` in messages that were just read, in place, and answers the messages. A summary names the first 20 users of an emoji; only where there are more and the
 * user is not among them the rows are asked: one query for all the messages, none in the usual case.
 */
export async function withMine(sql: Sql, userId: string, messages: Message[]): Promise<Message[]> {
  const unclear = messages.filter(({ reactions }) =>
    reactions.some(({ count, userIds }) => count > userIds.length && !userIds.includes(userId)),
  );
  const own =
    unclear.length === 0
      ? []
      : await sql.query<Own>(MINE, [
          unclear.map(({ conversationId }) => conversationId),
          unclear.map(({ id }) => id),
          userId,
        ]);
  const known = new Set(own.map(({ message_id, emoji }) => `${message_id} ${emoji}`));
  for (const { id, reactions } of messages) {
    for (const reaction of reactions)
      if (reaction.userIds.includes(userId) || known.has(`${id} ${reaction.emoji}`)) reaction.mine = true;
  }
  return messages;
}

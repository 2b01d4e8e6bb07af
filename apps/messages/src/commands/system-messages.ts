import { messageColumns, toMessage, type MessageRow } from '@parley/chat';
import { newId, type Message, type SystemNote } from '@parley/contracts';
import type { Sql } from '@parley/store';

/**
 * The `clientId` of the system message that a request writes, so that a redelivery finds it. It is longer than clients
 * may choose, so it never collides with theirs. A request writes at most one system message per conversation.
 */
export const systemClientId = (requestId: string, conversationId: string): string =>
  `system:${requestId}:${conversationId}`;

/** Inserts a system message at a position that the caller has assigned under the conversation's lock. */
export async function insertSystemMessage(
  sql: Sql,
  message: {
    readonly conversationId: string;
    readonly seq: number;
    readonly rev: number;
    readonly senderId: string;
    readonly requestId: string;
    readonly note: SystemNote;
    readonly createdAt: Date;
  },
): Promise<Message> {
  const { conversationId, seq, rev, senderId, requestId, note, createdAt } = message;
  const [row] = await sql.query<MessageRow>(
    `insert into chat.message as m (conversation_id, seq, rev, id, sender_id, client_id, type, body, system, created_at)
     values ($1, $2, $3, $4, $5, $6, 'system', '', $7::jsonb, $8) returning ${messageColumns('m')}`,
    [
      conversationId,
      seq,
      rev,
      newId(conversationId),
      senderId,
      systemClientId(requestId, conversationId),
      note,
      createdAt,
    ],
  );
  return toMessage(row!);
}

/** The system message that an earlier delivery of the same request wrote. */
export async function findSystemMessage(
  sql: Sql,
  conversationId: string,
  senderId: string,
  requestId: string,
): Promise<Message | undefined> {
  const [row] = await sql.query<MessageRow>(
    `select ${messageColumns('m')} from chat.message m where m.conversation_id = $1 and m.sender_id = $2 and m.client_id = $3 limit 1`,
    [conversationId, senderId, systemClientId(requestId, conversationId)],
  );
  return row && toMessage(row);
}

import type { Delivery } from '@parley/broker';
import {
  blockedCallers,
  hidingThing,
  mayBeBlocked,
  messageColumns,
  requirePermission,
  toMessage,
  withOwnReactions,
  type Action,
  type MessageRow,
} from '@parley/chat';
import { ChatError, type Actor, type Message, type ServerEvent } from '@parley/contracts';
import type { Sql } from '@parley/store';
import { changeConversation, contextOf, type ConversationChange } from '../commands/change.js';
import type { CommandRunner } from '../commands/runner.js';

/** The result of a command on a message. */
export interface MessageChange {
  /** The given row when nothing changed; otherwise the row with its new `rev`. */
  readonly row: MessageRow;
  /** Sent along with the update. */
  readonly reaction?: ServerEvent<'message:updated'>['reaction'];
}

/** A delivery of a command that names a message. */
export type MessageDelivery = Delivery<{ caller: Actor; input: { messageId: string } }>;

/**
 * Changes a message in one transaction under the lock of its conversation: see {@link changeConversation}. The update
 * is published when the message changed, and again when an earlier delivery may not have published it. The answer
 * states `mine` for every reaction.
 */
export function changeMessage(
  runner: CommandRunner,
  delivery: MessageDelivery,
  work: (change: ConversationChange, row: MessageRow) => Promise<MessageChange>,
): Promise<void> {
  const { messageId } = delivery.payload.input;
  return runner.run(delivery, async () => {
    const conversationId = await conversationOf(runner.database, messageId);
    const changed = changeConversation(runner, conversationId, contextOf(delivery), 'member', async (change) => {
      const before = await messageIn(change, messageId);
      const { row, reaction } = await work(change, before);
      if (row !== before || change.repeat) await publishUpdate(change, toMessage(row), reaction);
      return { message: await statingOwnReactions(change, toMessage(row)) };
    });
    return hidingThing(noMessage, changed);
  });
}

const noMessage = (): ChatError => new ChatError('not_found', 'No such message');

async function conversationOf(sql: Sql, messageId: string): Promise<string> {
  const [row] = await sql.query<{ conversation_id: string }>(`select conversation_id from chat.message where id = $1`, [
    messageId,
  ]);
  if (!row) throw noMessage();
  return row.conversation_id;
}

async function messageIn({ sql, conversation }: ConversationChange, messageId: string): Promise<MessageRow> {
  const [row] = await sql.query<MessageRow>(
    `select ${messageColumns('m')} from chat.message m where m.conversation_id = $1 and m.id = $2`,
    [conversation.id, messageId],
  );
  if (!row) throw noMessage();
  return row;
}

async function publishUpdate(
  change: ConversationChange,
  message: Message,
  reaction: MessageChange['reaction'],
): Promise<void> {
  const payload = reaction === undefined ? { message } : { message, reaction };
  change.events.push(
    { to: await change.audience(), event: 'message:updated', payload, id: `${message.conversationId}:${message.rev}` },
    { publish: 'message.updated.v1', payload: { message } },
  );
}

/** The message with `mine` stated for every reaction. */
async function statingOwnReactions({ sql, userId }: ConversationChange, message: Message): Promise<Message> {
  const [own] = await withOwnReactions(sql, userId, [message]);
  return { ...own!, reactions: own!.reactions.map((reaction) => ({ ...reaction, mine: reaction.mine === true })) };
}

/** Writes columns of the message's row together with the next `rev`. `set` is SQL; its parameters begin with $4. */
export async function updateRow(
  change: ConversationChange,
  { conversation_id, seq }: MessageRow,
  set: string,
  parameters: readonly unknown[] = [],
): Promise<MessageRow> {
  const [row] = await change.sql.query<MessageRow>(
    `update chat.message m set rev = $3, ${set} where m.conversation_id = $1 and m.seq = $2 returning ${messageColumns('m')}`,
    [conversation_id, seq, change.nextRev(), ...parameters],
  );
  return row!;
}

/** Refuses, in this order: roles without the permission, muted members, and blocked users in a direct conversation. */
export async function requireWriting(action: Action, change: ConversationChange): Promise<void> {
  requirePermission(action, change);
  const { sql, conversation, member, context } = change;
  if (!mayBeBlocked(conversation, member)) return;
  const blocked = await blockedCallers(sql, [{ conversationId: conversation.id, caller: context.caller }]);
  if (blocked.size > 0) throw new ChatError('blocked');
}

/** Refuses system messages and deleted messages. */
export function requireChangeable(row: MessageRow): void {
  if (row.type === 'system') throw new ChatError('forbidden', 'System messages cannot be changed');
  if (row.deleted_at !== null) throw new ChatError('conflict', 'The message is deleted');
}

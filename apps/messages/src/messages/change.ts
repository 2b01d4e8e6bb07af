import type { Delivery } from '@parley/broker';
import {
  blockedPairs,
  mayBeBlocked,
  messageColumns,
  requirePermission,
  toMessage,
  withOwnReactions,
  type Action,
  type MessageRow,
} from '@parley/chat';
import { ChatError, type Actor, type Message, type ServerEvent } from '@parley/contracts';
import { changeConversation, commandOf, conversationOf, type Change } from '../commands/change.js';
import type { Commands } from '../commands/runner.js';

/** A message as a command leaves it. */
export interface Left {
  /** The row that was given when nothing changed; with a new `rev` otherwise. */
  readonly row: MessageRow;
  /** Told with the update. */
  readonly reaction?: ServerEvent<'message:updated'>['reaction'];
}

/** A command that names a message. */
export type MessageDelivery = Delivery<{ caller: Actor; input: { messageId: string } }>;

/**
 * Changes a message in one transaction, under the lock of its conversation: {@link changeConversation}. The members are told only of what changed, or what may not have been told when
 * the command came before. The answer shows the caller which reactions are their own.
 */
export function changeMessage(
  commands: Commands,
  delivery: MessageDelivery,
  work: (change: Change, row: MessageRow) => Promise<Left>,
): Promise<void> {
  const { messageId } = delivery.payload.input;
  return commands.carryOut(delivery, async () => {
    const conversationId = await conversationOf(commands.database, messageId);
    const changed = changeConversation(commands, conversationId, commandOf(delivery), 'member', async (change) => {
      const before = await messageIn(change, messageId);
      const { row, reaction } = await work(change, before);
      if (row !== before || change.repeat) await tell(change, toMessage(row), reaction);
      return { message: await withMine(change, toMessage(row)) };
    });
    return changed.catch(nameless);
  });
}

/** A stranger learns nothing of a message, not even that its conversation exists. */
function nameless(error: unknown): never {
  throw error instanceof ChatError && error.code === 'not_found' ? noMessage() : error;
}
const noMessage = (): ChatError => new ChatError('not_found', 'No such message');

async function messageIn({ sql, conversation }: Change, messageId: string): Promise<MessageRow> {
  const [row] = await sql.query<MessageRow>(
    `select ${messageColumns('m')} from chat.message m where m.conversation_id = $1 and m.id = $2`,
    [conversation.id, messageId],
  );
  if (!row) throw noMessage();
  return row;
}

async function tell(change: Change, message: Message, reaction: Left['reaction']): Promise<void> {
  const payload = reaction === undefined ? { message } : { message, reaction };
  change.news.push(
    { to: await change.audience(), event: 'message:updated', payload, id: `${message.conversationId}:${message.rev}` },
    { publish: 'message.updated.v1', payload: { message } },
  );
}

/** The answer states `mine` for every reaction. */
async function withMine({ sql, userId }: Change, message: Message): Promise<Message> {
  const [own] = await withOwnReactions(sql, userId, [message]);
  return { ...own!, reactions: own!.reactions.map((reaction) => ({ ...reaction, mine: reaction.mine === true })) };
}

/** Writes columns of the message's row, with the next `rev`. `set` is SQL whose parameters begin with $4. */
export async function rewrite(
  change: Change,
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

/** Refuses what the role may not do, then what a muted one may not, then what nobody may while one of two blocks the other. */
export async function demandWriting(action: Action, change: Change): Promise<void> {
  requirePermission(action, change);
  const { sql, conversation, member, userId } = change;
  if (!mayBeBlocked(conversation, member)) return;
  const blocked = await blockedPairs(sql, [{ conversationId: conversation.id, userId }]);
  if (blocked.size > 0) throw new ChatError('blocked');
}

/** Refuses to act on a message of the server's, and on a tombstone. */
export function demandLiving(row: MessageRow): void {
  if (row.type === 'system') throw new ChatError('forbidden', 'A system message stays as it is');
  if (row.deleted_at !== null) throw new ChatError('conflict', 'The message is deleted');
}

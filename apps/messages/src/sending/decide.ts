import { toMessage, type MessageRow } from '@parley/chat';
import { ChatError, type Message } from '@parley/contracts';
import { isTraceId } from '@parley/service-kit';
import type { LockedConversation } from '../commands/conversation-rows.js';
import { personOf } from '../people/bot-owners.js';
import type { ClientKey, SendCommand, SendContext } from './context.js';
import type { RuleEvaluation } from './rules/evaluation.js';
import type { PendingMessages } from './rules/rule.js';
import type { NewMessage } from './sql.js';

/**
 * The id of the message that a request stores. It is derived from the request's id, so that a redelivered request
 * recognises its own message. The last byte is the conversation's: the shard.
 */
export const messageIdOf = (requestId: string, conversationId: string): string =>
  requestId.slice(0, -2) + conversationId.slice(-2);

/** A command with either the refusal of its sender's access, or the context that rules consider. */
export interface Candidate {
  readonly command: SendCommand;
  readonly key: ClientKey;
  readonly denied: ChatError | undefined;
  readonly context: SendContext | undefined;
}

/**
 * A refusal, or the message to answer: a new one, or one that is already stored. `requestedId`: the id that this
 * request gives its message.
 */
export type Decision = ChatError | { readonly message: Message; readonly requestedId: string };
export interface Decisions {
  /** In the order of the candidates. */
  readonly decisions: readonly Decision[];
  readonly batch: PendingBatch;
}

/** Decides the candidates in order, as if each had a transaction of its own. `sent`: messages that are already stored. */
export function decide(
  candidates: readonly Candidate[],
  rules: RuleEvaluation,
  sent: ReadonlyMap<Candidate, MessageRow>,
): Decisions {
  const batch = new PendingBatch();
  return { batch, decisions: candidates.map((candidate) => decideOne(candidate, rules, sent.get(candidate), batch)) };
}

function decideOne(
  { command, key, denied, context }: Candidate,
  rules: RuleEvaluation,
  row: MessageRow | undefined,
  batch: PendingBatch,
): Decision {
  // A former member's resend is answered as if the conversation did not exist.
  if (context === undefined)
    return denied?.code === 'forbidden' && row !== undefined
      ? new ChatError('not_found', 'No such conversation')
      : denied!;
  const requestedId = messageIdOf(command.caller.requestId, command.input.conversationId);
  const stored = batch.find(key) ?? (row && toMessage(row));
  if (stored) return { message: stored, requestedId };
  return rules.refusal(context, batch) ?? { message: batch.add(context, requestedId), requestedId };
}

const personKey = ({ conversation, command }: SendContext): string => `${conversation.id} ${personOf(command.caller)}`;
const clientKey = (conversationId: string, userId: string, clientId: string): string =>
  `${conversationId} ${userId} ${clientId}`;

/** The messages that the transaction is going to store. */
export class PendingBatch implements PendingMessages {
  readonly messages: NewMessage[] = [];
  private readonly conversations = new Map<string, LockedConversation>();
  private readonly byClientId = new Map<string, Message>();
  private readonly byPerson = new Map<string, NewMessage>();

  /** The conversations of the messages, as they will be stored with them. */
  get advanced(): LockedConversation[] {
    return [...this.conversations.values()];
  }

  /**
   * Replaces the estimated times of messages and conversations by those that the database stored, given by conversation.
   */
  setTimes(times: ReadonlyMap<string, Date>): void {
    for (const [id, active_at] of times) this.conversations.set(id, { ...this.conversations.get(id)!, active_at });
    for (const message of this.byClientId.values())
      message.createdAt = times.get(message.conversationId)!.toISOString();
  }

  find({ conversationId, userId, clientId }: ClientKey): Message | undefined {
    return this.byClientId.get(clientKey(conversationId, userId, clientId));
  }
  newestOf(context: SendContext): NewMessage | undefined {
    return this.byPerson.get(personKey(context));
  }

  add(context: SendContext, id: string): Message {
    const added = this.next(context, id);
    const message = toAnswer(added);
    this.messages.push(added);
    this.byClientId.set(clientKey(added.conversationId, added.senderId, added.clientId), message);
    this.byPerson.set(personKey(context), added);
    return message;
  }

  /** The next message of a conversation. Its time is the database's, and never before that of the previous message. */
  private next(context: SendContext, id: string): NewMessage {
    const { command, conversation, sender } = context;
    const before = this.conversations.get(conversation.id) ?? conversation;
    const createdAt = sender.now > before.active_at ? sender.now : before.active_at;
    const after = { ...before, last_seq: before.last_seq + 1, rev: before.rev + 1, active_at: createdAt };
    this.conversations.set(after.id, after);
    const { conversationId, clientId, replyTo } = command.input;
    return {
      id,
      conversationId,
      seq: after.last_seq,
      rev: after.rev,
      senderId: command.caller.userId,
      clientId,
      replyTo,
      createdAt,
      traceId: command.traceId !== undefined && isTraceId(command.traceId) ? command.traceId : undefined,
      ...contentOf(context),
    };
  }
}

/**
 * A forward copies the content of its source, mentions nobody and names the original message, however often it was
 * forwarded.
 */
function contentOf({
  command,
  source,
  attachments,
  mentions,
}: SendContext): Pick<NewMessage, 'type' | 'body' | 'attachments' | 'mentions' | 'forwardedFrom'> {
  if (source === undefined)
    return {
      type: command.input.type,
      body: command.input.body,
      attachments: attachments!,
      mentions: mentions!,
      forwardedFrom: undefined,
    };
  return {
    type: source.type,
    body: source.body,
    attachments: attachments!,
    mentions: [],
    forwardedFrom: source.forwarded_from ?? { messageId: source.id, senderId: source.sender_id },
  };
}

function toAnswer({
  replyTo,
  createdAt,
  forwardedFrom,
  attachments,
  mentions,
  traceId: _traceId,
  ...row
}: NewMessage): Message {
  return {
    ...row,
    type: row.type as Message['type'],
    attachments: [...attachments],
    mentions: [...mentions],
    createdAt: createdAt.toISOString(),
    reactions: [],
    ...(replyTo === undefined ? {} : { replyTo }),
    ...(forwardedFrom === undefined ? {} : { forwardedFrom }),
  };
}

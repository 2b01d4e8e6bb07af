import { toMessage, type MessageRow } from '@parley/chat';
import { ChatError, type Message } from '@parley/contracts';
import { without } from '@parley/faults';
import { isTraceId } from '@parley/service-kit';
import type { Batch, SendCommand, Situation } from './rules/rule.js';
import type { Ruling } from './rules/evaluation.js';
import type { LockedConversation, NewMessage, Question } from './sql.js';

/**
 * The id of the message that a request stores. It follows from the request, so that a redelivered request recognises its own row and repeats its first
 * answer; its last byte is the conversation's, which is the shard.
 */
export const messageIdOf = (requestId: string, conversationId: string): string =>
  requestId.slice(0, -2) + conversationId.slice(-2);

/** A command, and why its sender may not know of the conversation, or else everything that decides about it. */
export interface Entry {
  readonly command: SendCommand;
  readonly question: Question;
  readonly denied: ChatError | undefined;
  readonly situation: Situation | undefined;
}

/** A refusal, or the message that is answered: a new one, or the one that is known. `requested`: the id that this request's message has. */
export type Decision = ChatError | { readonly message: Message; readonly requested: string };
export interface Plan {
  readonly batch: GrowingBatch;
  readonly decisions: readonly Decision[];
}

/** Goes through the commands in order, as if each had a transaction of its own. */
export function decide(entries: readonly Entry[], ruling: Ruling, known: ReadonlyMap<Entry, MessageRow>): Plan {
  const batch = new GrowingBatch();
  return { batch, decisions: entries.map((entry) => decideOne(entry, ruling, known.get(entry), batch)) };
}

function decideOne(
  { command, question, denied, situation }: Entry,
  ruling: Ruling,
  row: MessageRow | undefined,
  batch: GrowingBatch,
): Decision {
  // To somebody who is no member any more a resend is answered like a conversation that is not there.
  if (situation === undefined)
    return denied?.code === 'forbidden' && row !== undefined
      ? new ChatError('not_found', 'No such conversation')
      : denied!;
  const requested = messageIdOf(command.caller.requestId, command.input.conversationId);
  const known = batch.known(question) ?? (row && toMessage(row));
  if (known && !without('dedupe')) return { message: known, requested };
  return ruling.refusal(situation, batch) ?? { message: batch.add(situation, requested), requested };
}

const keyOf = ({ conversationId, senderId }: Omit<Question, 'clientId'>, ...more: string[]): string =>
  [conversationId, senderId, ...more].join(' ');

/** The messages that the transaction is going to store, as far as it has come. */
export class GrowingBatch implements Batch {
  readonly messages: NewMessage[] = [];
  private readonly conversations = new Map<string, LockedConversation>();
  private readonly byClientId = new Map<string, Message>();
  private readonly bySender = new Map<string, NewMessage>();

  /** The conversations that got messages, as they are after them. */
  get advanced(): LockedConversation[] {
    return [...this.conversations.values()];
  }

  /** The messages that are answered, and their conversations, get the times that they were stored with, by conversation; until then they have that of the decision. */
  date(times: ReadonlyMap<string, Date>): void {
    for (const [id, active_at] of times) this.conversations.set(id, { ...this.conversations.get(id)!, active_at });
    for (const message of this.byClientId.values())
      message.createdAt = times.get(message.conversationId)!.toISOString();
  }

  known(question: Question): Message | undefined {
    return this.byClientId.get(keyOf(question, question.clientId));
  }
  newest({ command, conversation }: Situation): NewMessage | undefined {
    return this.bySender.get(keyOf({ conversationId: conversation.id, senderId: command.caller.userId }));
  }

  add(situation: Situation, id: string): Message {
    const fresh = this.next(situation, id);
    const message = messageOf(fresh);
    this.messages.push(fresh);
    this.byClientId.set(keyOf(fresh, fresh.clientId), message);
    this.bySender.set(keyOf(fresh), fresh);
    return message;
  }

  /** The next message of a conversation. Its time is the database's, and never before that of the message before it. */
  private next(situation: Situation, id: string): NewMessage {
    const { command, conversation, sender } = situation;
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
      ...contentOf(situation),
    };
  }
}

/** A forward brings everything from its source, but mentions nobody; it names the original, however often it was passed on. */
function contentOf({
  command,
  source,
  attachments,
  mentions,
}: Situation): Pick<NewMessage, 'type' | 'body' | 'attachments' | 'mentions' | 'forwardedFrom'> {
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

function messageOf({
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

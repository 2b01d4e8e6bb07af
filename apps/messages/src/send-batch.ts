import type { Broker } from '@parley/broker';
import { ChatError, type Message } from '@parley/contracts';
import { reached, without } from '@parley/faults';
import type { Push, Traces } from '@parley/realtime';
import { isTraceId, type Logger } from '@parley/service-kit';
import { toMessage, type Audience, type Database, type MessageRow, type Sql } from '@parley/store';
import { accessRefusal } from './access.js';
import { namesOf, type Names } from './mentions.js';
import type { Batch, Policy, SendCommand, Situation } from './policies/policy.js';
import { PolicyFailed, Ruling } from './policies/ruling.js';
import { materialOf } from './send-material.js';
import { knownOf, linkAttachments, lockConversations, sendersOf, storeMessages, type LockedConversation, type NewMessage, type Question } from './send-sql.js';

/** A message that is committed, and what its sender and the members are to be told. */
export interface Sent {
  readonly message: Message;
  /** True when an earlier request stored it; false also for a redelivery of the request that did. */
  readonly duplicate: boolean;
  /** True when the members may not have heard of it yet: it is new, or this very request stored it and may have been cut off. */
  readonly announce: boolean;
  readonly members: readonly string[];
  /** In a direct conversation; absent when the registry did not answer in time. */
  readonly recipientOnline?: boolean;
}
export type Outcome = Sent | ChatError;

/** How long an answer waits for the registry, beyond the transaction, to say whether the other side is online. */
const ONLINE_LIMIT_MS = 100;

/**
 * The id of the message that a request stores. It follows from the request, so that a redelivered request recognises its own row and repeats its first
 * answer; its last byte is the conversation's, which is the shard.
 */
export const messageIdOf = (requestId: string, conversationId: string): string => requestId.slice(0, -2) + conversationId.slice(-2);

/** Rolls a transaction back in which a clientId turned out to be known. */
class Resent extends Error {}

/** What sending stands on. */
export interface SendParts {
  readonly database: Database;
  readonly audience: Audience;
  readonly push: Push;
  readonly traces: Traces;
  readonly broker: Broker;
  readonly policies: readonly Policy[];
  readonly logger: Logger;
}

/** What earlier attempts at a batch found out. */
interface Lessons {
  resends: boolean;
  readonly failed: Set<Policy>;
}

/**
 * Group commit: carries out any number of `message.send` commands in one transaction. Plain text takes five round trips, whatever its number: begin, the conversations' locks, what the
 * senders are, the insert, commit. One more each: for members that changed; for replies, forwards, attachments, mentions, and the links of attachments, where there are some; for
 * commands that were refused, which may be resends; for each policy that has to load something, and two more for their time limit. Auth is asked before the transaction, and only when a body
 * names somebody.
 *
 * Resends are rare, so at first none is expected: the unique key finds them, and then all is done again with looking them up first. So it is with a policy that fails: all is done
 * again without it, and what it applies to is refused.
 *
 * Outcomes come in the order of the commands, and are committed when they come. A command that breaks a rule is refused and does not disturb the others; an error that is thrown
 * means that nothing was stored (or, for `Unavailable`, that it is not known: repeat the same commands).
 */
export async function sendBatch(parts: SendParts, commands: readonly SendCommand[]): Promise<Outcome[]> {
  const names = await namesOf(parts.broker, commands.map(({ input }) => input.body));
  const lessons: Lessons = { resends: false, failed: new Set() };
  for (;;) {
    try {
      const done = await parts.database.transaction((sql) => carryOut(sql, parts, commands, names, lessons));
      parts.traces.committed(done.stored);
      return outcomesOf(done, await done.online);
    } catch (error) {
      learn(lessons, error, parts.logger);
    }
  }
}

/** Notes what has to be done otherwise; rethrows what can't be helped by that. */
function learn(lessons: Lessons, error: unknown, logger: Logger): void {
  if (error instanceof Resent && !lessons.resends) {
    lessons.resends = true;
  } else if (error instanceof PolicyFailed && !lessons.failed.has(error.policy)) {
    logger.error({ err: error.cause, policy: error.policy.name }, 'a policy failed; what it applies to is refused');
    lessons.failed.add(error.policy);
  } else {
    throw error;
  }
}

interface Done {
  /** The ids of the messages that were new. */
  readonly stored: readonly string[];
  readonly decisions: readonly Decision[];
  readonly members: ReadonlyMap<string, readonly string[]>;
  readonly direct: ReadonlySet<string>;
  readonly online: Promise<ReadonlyMap<string, boolean>>;
}

async function carryOut(sql: Sql, { audience, push, policies, logger }: SendParts, commands: readonly SendCommand[], names: Names | undefined, lessons: Lessons): Promise<Done> {
  const conversations = await lock(sql, commands);
  const entries = await entriesOf(sql, conversations, commands, names);
  const ruling = await Ruling.prepare(sql, policies, entries.flatMap(({ situation }) => situation ?? []), lessons.failed, logger);
  const { batch, decisions } = await decided(sql, entries, ruling, lessons.resends);
  const heard = [...new Set(decisions.flatMap((decision) => (decision instanceof ChatError ? [] : decision.message.conversationId)))];
  const members = await audience.of(sql, heard.map((conversationId) => ({ conversationId, membersRev: conversations.get(conversationId)!.members_rev })));
  const direct = heard.filter((id) => conversations.get(id)!.kind === 'direct');
  const online = whoIsOnline(push, direct.flatMap((id) => members.get(id) ?? []));
  if (batch.messages.length > 0) {
    if (!(await storeMessages(sql, batch.advanced, batch.messages))) throw new Resent();
    await linkAttachments(sql, batch.messages);
    await reached('messages.stored');
  }
  return { stored: batch.messages.map(({ id }) => id), decisions, members, direct: new Set(direct), online };
}

function outcomesOf({ decisions, members, direct }: Done, online: ReadonlyMap<string, boolean>): Outcome[] {
  return decisions.map((decision) => {
    if (decision instanceof ChatError) return decision;
    const { message, requested } = decision;
    const told = members.get(message.conversationId) ?? [];
    const own = message.id === requested;
    const peer = direct.has(message.conversationId) ? told.find((userId) => userId !== message.senderId) : undefined;
    const recipientOnline = peer === undefined ? undefined : online.get(peer);
    return { message, duplicate: !own, announce: own, members: told, ...(recipientOnline === undefined ? {} : { recipientOnline }) };
  });
}

async function lock(sql: Sql, commands: readonly SendCommand[]): Promise<Map<string, LockedConversation>> {
  const ids = [...new Set(commands.map(({ input }) => input.conversationId))];
  return new Map((await lockConversations(sql, ids)).map((row) => [row.id, row]));
}

/** A command, and why its sender may not know of the conversation, or else everything that decides about it. */
interface Entry {
  readonly command: SendCommand;
  readonly question: Question;
  readonly denied: ChatError | undefined;
  readonly situation: Situation | undefined;
}

async function entriesOf(sql: Sql, conversations: ReadonlyMap<string, LockedConversation>, commands: readonly SendCommand[], names: Names | undefined): Promise<Entry[]> {
  const questions = commands.map(({ caller, input }) => ({ conversationId: input.conversationId, senderId: caller.userId, clientId: input.clientId }));
  const senders = await sendersOf(sql, questions);
  const denials = commands.map(({ input }, at) => accessRefusal(conversations.get(input.conversationId), senders[at]!, 'member'));
  const admitted = commands.filter((_, at) => denials[at] === undefined);
  const material = new Map((await materialOf(sql, admitted, names)).map((one, at) => [admitted[at]!, one]));
  return commands.map((command, at): Entry => {
    const found = material.get(command);
    const situation = found && { ...found, command, conversation: conversations.get(command.input.conversationId)!, sender: senders[at]! };
    return { command, question: questions[at]!, denied: denials[at], situation };
  });
}

/** A refusal, or the message that is answered: a new one, or the one that is known. `requested`: the id that this request's message has. */
type Decision = ChatError | { readonly message: Message; readonly requested: string };
interface Plan {
  readonly batch: GrowingBatch;
  readonly decisions: readonly Decision[];
}

/** With `resends`, what is known is looked up for every command; otherwise only for those refused, because a resend is answered all the same. */
async function decided(sql: Sql, entries: readonly Entry[], ruling: Ruling, resends: boolean): Promise<Plan> {
  const first = resends ? undefined : decide(entries, ruling, new Map());
  const doubtful = first ? entries.filter((_, at) => first.decisions[at] instanceof ChatError) : entries;
  const known = await knownOf(sql, doubtful.map(({ question }) => question));
  if (first && known.size === 0) return first;
  return decide(entries, ruling, new Map([...known].map(([n, row]) => [doubtful[n]!, row])));
}

/** Goes through the commands in order, as if each had a transaction of its own. */
function decide(entries: readonly Entry[], ruling: Ruling, known: ReadonlyMap<Entry, MessageRow>): Plan {
  const batch = new GrowingBatch();
  return { batch, decisions: entries.map((entry) => decideOne(entry, ruling, known.get(entry), batch)) };
}

function decideOne({ command, question, denied, situation }: Entry, ruling: Ruling, row: MessageRow | undefined, batch: GrowingBatch): Decision {
  // To somebody who is no member any more a resend is answered like a conversation that is not there.
  if (situation === undefined) return denied?.code === 'forbidden' && row !== undefined ? new ChatError('not_found', 'No such conversation') : denied!;
  const requested = messageIdOf(command.caller.requestId, command.input.conversationId);
  const known = batch.known(question) ?? (row && toMessage(row));
  if (known && !without('dedupe')) return { message: known, requested };
  return ruling.refusal(situation, batch) ?? { message: batch.add(situation, requested), requested };
}

const keyOf = ({ conversationId, senderId }: Omit<Question, 'clientId'>, ...more: string[]): string => [conversationId, senderId, ...more].join(' ');

/** The messages that the transaction is going to store, as far as it has come. */
class GrowingBatch implements Batch {
  readonly messages: NewMessage[] = [];
  private readonly conversations = new Map<string, LockedConversation>();
  private readonly byClientId = new Map<string, Message>();
  private readonly bySender = new Map<string, NewMessage>();

  /** The conversations that got messages, as they are after them. */
  get advanced(): LockedConversation[] {
    return [...this.conversations.values()];
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
    return { id, conversationId, seq: after.last_seq, rev: after.rev, senderId: command.caller.userId, clientId, replyTo, createdAt, traceId: command.traceId !== undefined && isTraceId(command.traceId) ? command.traceId : undefined, ...contentOf(situation) };
  }
}

/** A forward brings everything from its source, but mentions nobody; it names the original, however often it was passed on. */
function contentOf({ command, source, attachments, mentions }: Situation): Pick<NewMessage, 'type' | 'body' | 'attachments' | 'mentions' | 'forwardedFrom'> {
  if (source === undefined) return { type: command.input.type, body: command.input.body, attachments: attachments!, mentions: mentions!, forwardedFrom: undefined };
  return { type: source.type, body: source.body, attachments: attachments!, mentions: [], forwardedFrom: source.forwarded_from ?? { messageId: source.id, senderId: source.sender_id } };
}

function messageOf({ replyTo, createdAt, forwardedFrom, attachments, mentions, traceId: _traceId, ...row }: NewMessage): Message {
  return {
    ...row, type: row.type as Message['type'], attachments: [...attachments], mentions: [...mentions], createdAt: createdAt.toISOString(), reactions: [],
    ...(replyTo === undefined ? {} : { replyTo }), ...(forwardedFrom === undefined ? {} : { forwardedFrom }),
  };
}

/** Who has a live connection and who has none, as far as the registry says so in time. Never rejects. */
async function whoIsOnline(push: Push, users: readonly string[]): Promise<ReadonlyMap<string, boolean>> {
  const nobody = new Map<string, boolean>();
  if (users.length === 0) return nobody;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<ReadonlyMap<string, boolean>>((resolve) => (timer = setTimeout(() => resolve(nobody), ONLINE_LIMIT_MS)));
  try {
    return await Promise.race([push.online(users), late]);
  } catch {
    return nobody;
  } finally {
    clearTimeout(timer);
  }
}

import { Controller, Injectable } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { Broker, type Delivery } from '@parley/broker';
import { accessRefusal, Audience } from '@parley/chat';
import { ChatError, type Message } from '@parley/contracts';
import { reached } from '@parley/faults';
import { Push, Traces, type UserLocations } from '@parley/realtime';
import { endsWithin, Logger } from '@parley/service-kit';
import { Database, type Sql } from '@parley/store';
import type { Committed } from '../commands/change.js';
import {
  callerStatesOf,
  ConversationCache,
  lockConversations,
  type LockedConversation,
} from '../commands/conversation-rows.js';
import { CommandRunner, messageNew } from '../commands/runner.js';
import { BotOwners } from '../people/bot-owners.js';
import { usersNamedIn, type UsersByName } from '../people/mentions.js';
import type { SendCommand } from './context.js';
import { decide, type Candidate, type Decisions } from './decide.js';
import { FastPath, type CommittedBatch } from './fast-path.js';
import { referencesOf } from './references.js';
import { RuleFailed, RuleEvaluator, type RuleEvaluation } from './rules/evaluation.js';
import type { SendRule } from './rules/rule.js';
import { findSent, linkAttachments, storeMessages } from './sql.js';

/** Maximum time that answers wait for the registry's locations of peers. */
const ONLINE_TIMEOUT_MS = 100;

/** A committed message and its audience. */
export interface SentMessage {
  readonly message: Message;
  /** True when an earlier request stored it. False also for a redelivery of that request. */
  readonly duplicate: boolean;
  /**
   * Whether the members may still need the push: the message is new, or this request stored it and may have been cut
   * off.
   */
  readonly shouldPush: boolean;
  readonly audience: readonly string[];
  /** The other person of a direct conversation. */
  readonly peer?: string;
}
export type SendOutcome = SentMessage | ChatError;

/** Rolls back a transaction in which a `clientId` turned out to exist. */
class ClientIdExists extends Error {}

/** The difference of the next attempt at a batch. */
interface RetryState {
  /** Look up every `clientId` before deciding. */
  findSentFirst: boolean;
  /** Rules that are not prepared again; the commands that they apply to are refused. */
  readonly failed: Set<SendRule>;
}

/** The result of a committed transaction, with its candidates. */
interface LockedBatch extends CommittedBatch {
  readonly candidates: readonly Candidate[];
}

/**
 * Group commit: carries out any number of `message.send` commands in one transaction. Plain text in cached
 * conversations takes one round trip, whatever the number of messages: see {@link FastPath}. Other batches take five:
 * begin, lock the conversations, read the senders, insert, commit. One more each for: members that are not cached;
 * replies; forwards; attachments; mentions; links of attachments; refused commands, which may be resends; each rule
 * that loads something, and two for their time limit. Auth is asked before the transaction, and only when a body
 * contains usernames.
 *
 * Resends are rare, so the first attempt expects none: a violated unique key shows one, and the batch is repeated with
 * looking all of them up first. Likewise a batch is repeated without a rule that failed, and the commands that it
 * applies to are refused.
 */
@Injectable()
export class MessageSender {
  constructor(
    private readonly database: Database,
    private readonly audience: Audience,
    private readonly cache: ConversationCache,
    private readonly broker: Broker,
    private readonly traces: Traces,
    private readonly rules: RuleEvaluator,
    private readonly fastPath: FastPath,
    private readonly owners: BotOwners,
    private readonly logger: Logger,
  ) {}

  /**
   * Sends messages. Outcomes are in the order of the commands and are committed. A refused command does not affect the
   * others. A thrown error means that nothing was stored or, for `Unavailable`, that it is unknown: repeat the same
   * commands.
   */
  async send(commands: readonly SendCommand[]): Promise<SendOutcome[]> {
    await this.owners.learn(commands.map(({ caller }) => caller));
    const committed = (await this.fastPath.send(commands)) ?? (await this.sendLocked(commands));
    this.traces.committed(committed.batch.messages.map(({ id }) => id));
    return outcomesOf(committed);
  }

  private async sendLocked(commands: readonly SendCommand[]): Promise<CommittedBatch> {
    const users = await usersNamedIn(
      this.broker,
      commands.map(({ input }) => input.body),
    );
    const retry: RetryState = { findSentFirst: false, failed: new Set() };
    for (;;) {
      try {
        const committed = await this.database.transaction((sql) => this.carryOut(sql, commands, users, retry));
        this.updateCache(committed);
        return committed;
      } catch (error) {
        this.adaptRetry(retry, error);
      }
    }
  }

  /** Records how the retry must differ. Rethrows errors that a retry cannot avoid. */
  private adaptRetry(retry: RetryState, error: unknown): void {
    if (error instanceof ClientIdExists && !retry.findSentFirst) {
      retry.findSentFirst = true;
    } else if (error instanceof RuleFailed && !retry.failed.has(error.rule)) {
      this.logger.error(
        { err: error.cause, rule: error.rule.name },
        'a rule failed; the commands that it applies to are refused',
      );
      retry.failed.add(error.rule);
    } else {
      throw error;
    }
  }

  private async carryOut(
    sql: Sql,
    commands: readonly SendCommand[],
    users: UsersByName | undefined,
    retry: RetryState,
  ): Promise<LockedBatch> {
    const ids = [...new Set(commands.map(({ input }) => input.conversationId))];
    const conversations = new Map((await lockConversations(sql, ids)).map((row) => [row.id, row]));
    const candidates = await candidatesFor(sql, conversations, commands, users);
    const contexts = candidates.flatMap(({ context }) => context ?? []);
    const evaluation = await this.rules.prepare(sql, contexts, retry.failed);
    const { batch, decisions } = await decideWithSent(sql, candidates, evaluation, retry.findSentFirst);
    const answered = new Set(
      decisions.flatMap((decision) => (decision instanceof ChatError ? [] : decision.message.conversationId)),
    );
    const audiences = await this.audience.of(
      sql,
      Array.from(answered, (conversationId) => ({
        conversationId,
        membersRev: conversations.get(conversationId)!.members_rev,
      })),
    );
    if (batch.messages.length > 0) {
      if (!(await storeMessages(sql, batch.advanced, batch.messages))) throw new ClientIdExists();
      await linkAttachments(sql, batch.messages);
      await reached('messages.stored');
    }
    return {
      batch,
      decisions,
      conversations: new Map([...conversations, ...batch.advanced.map((row) => [row.id, row] as const)]),
      audiences,
      candidates,
    };
  }

  /** Stores the conversations and senders as of the commit, for the fast path. */
  private updateCache({ conversations, candidates }: LockedBatch): void {
    const contexts = candidates.flatMap(({ context }) => context ?? []);
    for (const [id, ofConversation] of Map.groupBy(contexts, ({ conversation }) => conversation.id))
      this.cache.store(
        conversations.get(id)!,
        ofConversation.map(({ command, sender }) => [command.caller.userId, sender] as const),
      );
    const last = candidates.at(-1)?.context;
    if (last) this.cache.setClock(last.sender.now);
  }
}

function outcomesOf({ decisions, audiences, conversations }: CommittedBatch): SendOutcome[] {
  return decisions.map((decision) => {
    if (decision instanceof ChatError) return decision;
    const { message, requestedId } = decision;
    const audience = audiences.get(message.conversationId) ?? [];
    const storedByRequest = message.id === requestedId;
    const peer =
      conversations.get(message.conversationId)!.kind === 'direct'
        ? audience.find((userId) => userId !== message.senderId)
        : undefined;
    return {
      message,
      duplicate: !storedByRequest,
      shouldPush: storedByRequest,
      audience,
      ...(peer === undefined ? {} : { peer }),
    };
  });
}

async function candidatesFor(
  sql: Sql,
  conversations: ReadonlyMap<string, LockedConversation>,
  commands: readonly SendCommand[],
  users: UsersByName | undefined,
): Promise<Candidate[]> {
  const keys = commands.map(({ caller, input }) => ({
    conversationId: input.conversationId,
    userId: caller.userId,
    clientId: input.clientId,
  }));
  const senders = await callerStatesOf(
    sql,
    commands.map(({ caller, input }) => ({ conversationId: input.conversationId, caller })),
  );
  const denials = commands.map(({ input }, at) =>
    accessRefusal(conversations.get(input.conversationId), senders[at]!, 'member'),
  );
  const admitted = commands.filter((_, at) => denials[at] === undefined);
  const references = new Map((await referencesOf(sql, admitted, users)).map((found, at) => [admitted[at]!, found]));
  return commands.map((command, at): Candidate => {
    const found = references.get(command);
    const context = found && {
      ...found,
      command,
      conversation: conversations.get(command.input.conversationId)!,
      sender: senders[at]!,
    };
    return { command, key: keys[at]!, denied: denials[at], context };
  });
}

/**
 * Decides, and answers resends with the stored message. With `findSentFirst` every `clientId` is looked up; otherwise
 * only those of refused commands, because a resend is answered even then.
 */
async function decideWithSent(
  sql: Sql,
  candidates: readonly Candidate[],
  rules: RuleEvaluation,
  findSentFirst: boolean,
): Promise<Decisions> {
  const first = findSentFirst ? undefined : decide(candidates, rules, new Map());
  const unclear = first ? candidates.filter((_, at) => first.decisions[at] instanceof ChatError) : candidates;
  const sent = await findSent(
    sql,
    unclear.map(({ key }) => key),
  );
  if (first && sent.size === 0) return first;
  return decide(candidates, rules, new Map([...sent].map(([n, row]) => [unclear[n]!, row])));
}

/** Handles `message.send`: stores a batch, answers, and publishes. */
@Controller()
export class SendingController {
  constructor(
    private readonly runner: CommandRunner,
    private readonly sender: MessageSender,
    private readonly push: Push,
  ) {}

  @MessagePattern<string>('message.send.v1', { batch: { max: 500, concurrency: 4 } })
  async send(@Payload() deliveries: readonly Delivery<SendCommand>[]): Promise<void> {
    await reached('messages.received');
    const outcomes = await this.sender.send(
      deliveries.map(({ payload, correlationId }) => ({ ...payload, traceId: correlationId })),
    );
    await reached('messages.committed');
    const recipients = new Set(outcomes.flatMap(recipientsOf));
    // Looked up after the commit: users who connect later catch up with the message.
    const locating = this.push.locate([...recipients]);
    const locations = (await endsWithin(ONLINE_TIMEOUT_MS, locating)) ? await locating : undefined;
    await this.runner.finish(
      deliveries,
      outcomes.map((outcome) => (outcome instanceof ChatError ? outcome : toCommitted(outcome, locations))),
      locating,
    );
  }
}

/** Users to locate: recipients of the push, and the peer for `recipientOnline`. */
function recipientsOf(outcome: SendOutcome): readonly string[] {
  if (outcome instanceof ChatError) return [];
  return outcome.shouldPush ? outcome.audience : outcome.peer === undefined ? [] : [outcome.peer];
}

function toCommitted(
  { message, duplicate, shouldPush, audience, peer }: SentMessage,
  locations: UserLocations | undefined,
): Committed<object> {
  const recipientOnline = peer === undefined ? undefined : locations?.online(peer);
  const answer = recipientOnline === undefined ? { message, duplicate } : { message, duplicate, recipientOnline };
  return shouldPush ? { answer, events: [messageNew(audience, message)], created: message } : { answer, events: [] };
}

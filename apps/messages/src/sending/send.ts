import type { Broker } from '@parley/broker';
import { accessRefusal } from '@parley/chat';
import { ChatError, type Message } from '@parley/contracts';
import { reached } from '@parley/faults';
import type { Logger } from '@parley/service-kit';
import type { Traces } from '@parley/realtime';
import type { Sql } from '@parley/store';
import { sendAtOnce, type AtOnceParts, type Committed } from './fast-path.js';
import { decide, type Entry, type Plan } from './decide.js';
import { namesOf, type Names } from '../people/mentions.js';
import type { Policy, SendCommand } from './rules/rule.js';
import { PolicyFailed, Ruling } from './rules/evaluation.js';
import { materialOf } from './references.js';
import {
  knownOf,
  linkAttachments,
  lockConversations,
  sendersOf,
  storeMessages,
  type LockedConversation,
} from './sql.js';

/** A message that is committed, and what its sender and the members are to be told. */
export interface Sent {
  readonly message: Message;
  /** True when an earlier request stored it; false also for a redelivery of the request that did. */
  readonly duplicate: boolean;
  /** True when the members may not have heard of it yet: it is new, or this very request stored it and may have been cut off. */
  readonly announce: boolean;
  readonly members: readonly string[];
  /** The other one of a direct conversation. */
  readonly peer?: string;
}
export type Outcome = Sent | ChatError;

/** Rolls a transaction back in which a clientId turned out to be known. */
class Resent extends Error {}

/** What sending stands on. */
export interface SendParts extends AtOnceParts {
  readonly traces: Traces;
  readonly broker: Broker;
}

/** What earlier attempts at a batch found out. */
interface Lessons {
  resends: boolean;
  readonly failed: Set<Policy>;
}

/**
 * Group commit: carries out any number of `message.send` commands in one transaction. Plain text takes one round trip, whatever its number, where the conversations are remembered as they are:
 * see {@link sendAtOnce}. Otherwise five: begin, the conversations' locks, what the senders are, the insert, commit. One more each: for members that changed; for replies, forwards, attachments, mentions, and the links of attachments, where there are some; for
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
  const done = (await sendAtOnce(parts, commands)) ?? (await sendLocked(parts, commands));
  parts.traces.committed(done.batch.messages.map(({ id }) => id));
  return outcomesOf(done);
}

async function sendLocked(parts: SendParts, commands: readonly SendCommand[]): Promise<Done> {
  const names = await namesOf(
    parts.broker,
    commands.map(({ input }) => input.body),
  );
  const lessons: Lessons = { resends: false, failed: new Set() };
  for (;;) {
    try {
      const done = await parts.database.transaction((sql) => carryOut(sql, parts, commands, names, lessons));
      remember(parts, done);
      return done;
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

/** What is committed, and what was known of each command. */
interface Done extends Committed {
  readonly entries: readonly Entry[];
}

async function carryOut(
  sql: Sql,
  { audience, policies, logger }: SendParts,
  commands: readonly SendCommand[],
  names: Names | undefined,
  lessons: Lessons,
): Promise<Done> {
  const conversations = await lock(sql, commands);
  const entries = await entriesOf(sql, conversations, commands, names);
  const ruling = await Ruling.prepare(
    sql,
    policies,
    entries.flatMap(({ situation }) => situation ?? []),
    lessons.failed,
    logger,
  );
  const { batch, decisions } = await decided(sql, entries, ruling, lessons.resends);
  const heard = [
    ...new Set(decisions.flatMap((decision) => (decision instanceof ChatError ? [] : decision.message.conversationId))),
  ];
  const members = await audience.of(
    sql,
    heard.map((conversationId) => ({ conversationId, membersRev: conversations.get(conversationId)!.members_rev })),
  );
  if (batch.messages.length > 0) {
    if (!(await storeMessages(sql, batch.advanced, batch.messages))) throw new Resent();
    await linkAttachments(sql, batch.messages);
    await reached('messages.stored');
  }
  return {
    batch,
    decisions,
    conversations: new Map([...conversations, ...batch.advanced.map((one) => [one.id, one] as const)]),
    members,
    entries,
  };
}

/** What was true at the commit, for {@link sendAtOnce}. */
function remember({ standings }: SendParts, { conversations, entries }: Done): void {
  const situations = Map.groupBy(
    entries.flatMap(({ situation }) => situation ?? []),
    ({ conversation }) => conversation.id,
  );
  for (const [id, those] of situations)
    standings.remember(
      conversations.get(id)!,
      those.map(({ command, sender }) => [command.caller.userId, sender] as const),
    );
  const last = entries.at(-1)?.situation;
  if (last) standings.heard(last.sender.now);
}

function outcomesOf({ decisions, members, conversations }: Committed): Outcome[] {
  return decisions.map((decision) => {
    if (decision instanceof ChatError) return decision;
    const { message, requested } = decision;
    const told = members.get(message.conversationId) ?? [];
    const own = message.id === requested;
    const peer =
      conversations.get(message.conversationId)!.kind === 'direct'
        ? told.find((userId) => userId !== message.senderId)
        : undefined;
    return { message, duplicate: !own, announce: own, members: told, ...(peer === undefined ? {} : { peer }) };
  });
}

async function lock(sql: Sql, commands: readonly SendCommand[]): Promise<Map<string, LockedConversation>> {
  const ids = [...new Set(commands.map(({ input }) => input.conversationId))];
  return new Map((await lockConversations(sql, ids)).map((row) => [row.id, row]));
}

async function entriesOf(
  sql: Sql,
  conversations: ReadonlyMap<string, LockedConversation>,
  commands: readonly SendCommand[],
  names: Names | undefined,
): Promise<Entry[]> {
  const questions = commands.map(({ caller, input }) => ({
    conversationId: input.conversationId,
    senderId: caller.userId,
    clientId: input.clientId,
  }));
  const senders = await sendersOf(sql, questions);
  const denials = commands.map(({ input }, at) =>
    accessRefusal(conversations.get(input.conversationId), senders[at]!, 'member'),
  );
  const admitted = commands.filter((_, at) => denials[at] === undefined);
  const material = new Map((await materialOf(sql, admitted, names)).map((one, at) => [admitted[at]!, one]));
  return commands.map((command, at): Entry => {
    const found = material.get(command);
    const situation = found && {
      ...found,
      command,
      conversation: conversations.get(command.input.conversationId)!,
      sender: senders[at]!,
    };
    return { command, question: questions[at]!, denied: denials[at], situation };
  });
}

/** With `resends`, what is known is looked up for every command; otherwise only for those refused, because a resend is answered all the same. */
async function decided(sql: Sql, entries: readonly Entry[], ruling: Ruling, resends: boolean): Promise<Plan> {
  const first = resends ? undefined : decide(entries, ruling, new Map());
  const doubtful = first ? entries.filter((_, at) => first.decisions[at] instanceof ChatError) : entries;
  const known = await knownOf(
    sql,
    doubtful.map(({ question }) => question),
  );
  if (first && known.size === 0) return first;
  return decide(entries, ruling, new Map([...known].map(([n, row]) => [doubtful[n]!, row])));
}

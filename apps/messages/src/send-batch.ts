import { ChatError, type Message } from '@parley/contracts';
import type { Push } from '@parley/realtime';
import { toMessage, type Audience, type Database, type Sql } from '@parley/store';
import { accessRules, refusal, sendRules, type SendCommand, type Situation } from './send-rules.js';
import { knownOf, lockConversations, sendersOf, storeMessages, targetsOf, type LockedConversation, type NewMessage } from './send-sql.js';

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

interface Plan {
  readonly outcomes: readonly (ChatError | { message: Message; requested: string })[];
  readonly advanced: readonly LockedConversation[];
  readonly messages: readonly NewMessage[];
}

/** Rolls a transaction back in which a clientId turned out to be known. */
class Resent extends Error {}

/**
 * Group commit: carries out any number of `message.send` commands in one transaction of five round trips (one more each for replies, for members that changed, for commands
 * that a rule speaks against). Resends are rare, so at first none is expected: the unique key finds them, and then all is done again with looking them up first.
 *
 * Outcomes come in the order of the commands, and are committed when they come. A command that breaks a rule is refused and does not disturb the others; an error that is thrown
 * means that nothing was stored (or, for `Unavailable`, that it is not known: repeat the same commands).
 */
export async function sendBatch(database: Database, audience: Audience, push: Push, commands: readonly SendCommand[]): Promise<Outcome[]> {
  const attempt = (resends: boolean) => database.transaction((sql) => carryOut(sql, audience, push, commands, resends));
  const done = await attempt(false).catch((error: unknown) => {
    if (error instanceof Resent) return attempt(true);
    throw error;
  });
  return outcomesOf(done, await done.online);
}

interface Done {
  readonly plan: Plan;
  readonly members: ReadonlyMap<string, readonly string[]>;
  readonly direct: ReadonlySet<string>;
  readonly online: Promise<ReadonlyMap<string, boolean>>;
}

async function carryOut(sql: Sql, audience: Audience, push: Push, commands: readonly SendCommand[], resends: boolean): Promise<Done> {
  const conversations = await lock(sql, commands);
  const plan = decide(await situationsOf(sql, conversations, commands, resends));
  const heard = [...new Set(plan.outcomes.flatMap((outcome) => (outcome instanceof ChatError ? [] : outcome.message.conversationId)))];
  const members = await audience.of(sql, heard.map((conversationId) => ({ conversationId, membersRev: conversations.get(conversationId)!.members_rev })));
  const direct = heard.filter((id) => conversations.get(id)!.kind === 'direct');
  const online = whoIsOnline(push, direct.flatMap((id) => members.get(id) ?? []));
  if (plan.messages.length > 0 && !(await storeMessages(sql, plan.advanced, plan.messages))) throw new Resent();
  return { plan, members, direct: new Set(direct), online };
}

function outcomesOf({ plan, members, direct }: Done, online: ReadonlyMap<string, boolean>): Outcome[] {
  return plan.outcomes.map((outcome) => {
    if (outcome instanceof ChatError) return outcome;
    const { message, requested } = outcome;
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

/** With `resends`, what is known is looked up for every command; otherwise only where a rule speaks against it, because a resend is answered all the same. */
async function situationsOf(sql: Sql, conversations: ReadonlyMap<string, LockedConversation>, commands: readonly SendCommand[], resends: boolean): Promise<Situation[]> {
  const questions = commands.map(({ caller, input }) => ({ conversationId: input.conversationId, senderId: caller.userId, clientId: input.clientId }));
  const senders = await sendersOf(sql, questions);
  const targets = await targetsOf(sql, commands.flatMap(({ input }) => input.replyTo ?? []));
  const situations = commands.map((command, at): Situation => {
    const { conversationId, replyTo } = command.input;
    return { command, conversation: conversations.get(conversationId), sender: senders[at]!, target: replyTo === undefined ? undefined : targets.get(replyTo), known: undefined };
  });
  const doubtful = [...situations.keys()].filter((at) => resends || refusal([...accessRules, ...sendRules], situations[at]!) !== undefined);
  const known = await knownOf(sql, doubtful.map((at) => questions[at]!));
  for (const [n, row] of known) situations[doubtful[n]!] = { ...situations[doubtful[n]!]!, known: row };
  return situations;
}

/** Goes through the commands in order, as if each had a transaction of its own. */
function decide(situations: readonly Situation[]): Plan {
  const messages: NewMessage[] = [];
  const advanced = new Map<string, LockedConversation>();
  const stored = new Map<string, Message>();
  const outcomes = situations.map((situation) => {
    const { command, known: row } = situation;
    const denied = refusal(accessRules, situation);
    if (denied) return denied;
    const requested = messageIdOf(command.caller.requestId, command.input.conversationId);
    const key = `${command.input.conversationId} ${command.caller.userId} ${command.input.clientId}`;
    const known = stored.get(key) ?? (row && toMessage(row));
    if (known) return { message: known, requested };
    const refused = refusal(sendRules, situation);
    if (refused) return refused;
    const fresh = next(advanced, situation, requested);
    const message = messageOf(fresh);
    messages.push(fresh);
    stored.set(key, message);
    return { message, requested };
  });
  return { outcomes, advanced: [...advanced.values()], messages };
}

/** The next message of a conversation. Its time is the database's, and never before that of the message before it. */
function next(advanced: Map<string, LockedConversation>, { command, conversation, sender }: Situation, id: string): NewMessage {
  const before = advanced.get(conversation!.id) ?? conversation!;
  const createdAt = sender.now > before.active_at ? sender.now : before.active_at;
  const after = { ...before, last_seq: before.last_seq + 1, rev: before.rev + 1, active_at: createdAt };
  advanced.set(after.id, after);
  const { conversationId, clientId, type, body, replyTo } = command.input;
  return { id, conversationId, seq: after.last_seq, rev: after.rev, senderId: command.caller.userId, clientId, type, body, replyTo, createdAt };
}

function messageOf({ replyTo, createdAt, ...row }: NewMessage): Message {
  return {
    ...row, type: row.type as Message['type'], attachments: [], mentions: [], createdAt: createdAt.toISOString(), reactions: [],
    ...(replyTo === undefined ? {} : { replyTo }),
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

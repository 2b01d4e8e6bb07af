import { accessRefusal, type Audience } from '@parley/chat';
import { ChatError } from '@parley/contracts';
import { isUniqueViolation, type Database } from '@parley/store';
import type { Logger } from '@parley/service-kit';
import { decide, type Entry, type Plan } from './decide.js';
import { candidatesOf } from '../people/mentions.js';
import type { Policy, SendCommand } from './rules/rule.js';
import { Ruling } from './rules/evaluation.js';
import { storeIfUnchanged, type LockedConversation } from './sql.js';
import type { Standings } from '../commands/conversation-cache.js';

/** What sending at once stands on. */
export interface AtOnceParts {
  readonly database: Database;
  readonly audience: Audience;
  readonly standings: Standings;
  readonly policies: readonly Policy[];
  readonly logger: Logger;
}

/** Messages that are committed, and the conversations and members as they are with them. */
export interface Committed extends Plan {
  readonly conversations: ReadonlyMap<string, LockedConversation>;
  readonly members: ReadonlyMap<string, readonly string[]>;
}

/**
 * The short way of the rule: plain text, by members whose standing is remembered, that no policy has to load anything for. All is decided by what is remembered, and stored by one statement
 * with a transaction of its own, which stores nothing unless all conversations still have the `rev` that was remembered, nobody blocks, and no clientId is known. Undefined when
 * it was not to be had: then nothing is stored, and the commands have to go the long way.
 */
export async function sendAtOnce(
  { database, audience, standings, policies, logger }: AtOnceParts,
  commands: readonly SendCommand[],
): Promise<Committed | undefined> {
  const entries = entriesOf(standings, commands);
  const ruling =
    entries &&
    Ruling.unprepared(
      policies,
      entries.map(({ situation }) => situation),
      logger,
    );
  if (!ruling) return undefined;
  const before = new Map(entries.map(({ situation: { conversation } }) => [conversation.id, conversation]));
  const members = audience.cached(
    Array.from(before.values(), ({ id, members_rev }) => ({ conversationId: id, membersRev: members_rev })),
  );
  if (!members) return undefined;
  const { batch, decisions } = decide(entries, ruling, new Map());
  if (decisions.some((decision) => decision instanceof ChatError)) return undefined;
  const direct = batch.messages.filter(({ conversationId }) => before.get(conversationId)!.kind === 'direct');
  const times = await storeIfUnchanged(
    database,
    batch.advanced.map((after) => ({ before: before.get(after.id)!, after })),
    batch.messages,
    direct.map(({ senderId }) => senderId),
  ).catch((error: unknown) => {
    if (isUniqueViolation(error)) return undefined;
    throw error;
  });
  if (!times) {
    for (const id of before.keys()) standings.forget(id);
    return undefined;
  }
  batch.date(times);
  for (const conversation of batch.advanced) {
    standings.advance(conversation);
    standings.heard(conversation.active_at);
  }
  return {
    batch,
    decisions,
    conversations: new Map(batch.advanced.map((conversation) => [conversation.id, conversation])),
    members,
  };
}

/** Undefined when one of them needs more than what is remembered. */
function entriesOf(
  standings: Standings,
  commands: readonly SendCommand[],
): (Entry & { readonly situation: NonNullable<Entry['situation']> })[] | undefined {
  const { now } = standings;
  if (!now) return undefined;
  const entries = [];
  for (const command of commands) {
    const { caller, input } = command;
    const standing = standings.of(input.conversationId);
    const sender = standing?.senders.get(caller.userId);
    if (!sender || !isPlain(command) || accessRefusal(standing!.conversation, sender, 'member')) return undefined;
    entries.push({
      command,
      denied: undefined,
      question: { conversationId: input.conversationId, senderId: caller.userId, clientId: input.clientId },
      situation: {
        command,
        conversation: standing!.conversation,
        sender: { ...sender, now },
        target: undefined,
        source: undefined,
        attachments: [],
        mentions: [],
      },
    });
  }
  return entries;
}

const isPlain = ({ input: { replyTo, forwardOf, attachmentIds, body } }: SendCommand): boolean =>
  replyTo === undefined && forwardOf === undefined && attachmentIds === undefined && candidatesOf(body).length === 0;

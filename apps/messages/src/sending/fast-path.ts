import { Injectable } from '@nestjs/common';
import { accessRefusal, Audience } from '@parley/chat';
import { ChatError } from '@parley/contracts';
import { Database, isUniqueViolation } from '@parley/store';
import { ConversationCache, type LockedConversation } from '../commands/conversation-rows.js';
import { candidatesOf } from '../people/mentions.js';
import type { SendCommand, SendContext } from './context.js';
import { decide, type Candidate, type Decisions } from './decide.js';
import { RuleEvaluator } from './rules/evaluation.js';
import { storeIfUnchanged } from './sql.js';

/** Decisions that are committed, with the conversations and members as of the commit. */
export interface CommittedBatch extends Decisions {
  readonly conversations: ReadonlyMap<string, LockedConversation>;
  readonly audiences: ReadonlyMap<string, readonly string[]>;
}

/**
 * Sends plain text in one statement: text without references and mentions, in cached conversations, by cached senders, when no rule needs a query. Everything is decided from the cache. The
 * statement stores nothing unless every conversation still has its cached `rev`, nobody in a direct conversation has blocks, and no `clientId` exists.
 */
@Injectable()
export class FastPath {
  constructor(
    private readonly database: Database,
    private readonly audience: Audience,
    private readonly cache: ConversationCache,
    private readonly rules: RuleEvaluator,
  ) {}

  /** Undefined when the commands do not qualify, or the cache was stale: then nothing is stored, and the caller sends them under locks. */
  async send(commands: readonly SendCommand[]): Promise<CommittedBatch | undefined> {
    const candidates = this.candidatesOf(commands);
    const evaluation = candidates && this.rules.unprepared(candidates.map(({ context }) => context));
    if (!evaluation) return undefined;
    const cached = new Map(candidates.map(({ context: { conversation } }) => [conversation.id, conversation]));
    const audiences = this.audience.cached(
      Array.from(cached.values(), ({ id, members_rev }) => ({ conversationId: id, membersRev: members_rev })),
    );
    if (!audiences) return undefined;
    const { batch, decisions } = decide(candidates, evaluation, new Map());
    if (decisions.some((decision) => decision instanceof ChatError)) return undefined;
    const direct = batch.messages.filter(({ conversationId }) => cached.get(conversationId)!.kind === 'direct');
    const times = await storeIfUnchanged(
      this.database,
      batch.advanced.map((after) => ({ before: cached.get(after.id)!, after })),
      batch.messages,
      direct.map(({ senderId }) => senderId),
    ).catch((error: unknown) => {
      if (isUniqueViolation(error)) return undefined;
      throw error;
    });
    if (!times) {
      for (const id of cached.keys()) this.cache.forget(id);
      return undefined;
    }
    batch.setTimes(times);
    for (const conversation of batch.advanced) {
      this.cache.advance(conversation);
      this.cache.setClock(conversation.active_at);
    }
    return {
      batch,
      decisions,
      conversations: new Map(batch.advanced.map((conversation) => [conversation.id, conversation])),
      audiences,
    };
  }

  /** Undefined when a command needs more than the cache holds. */
  private candidatesOf(
    commands: readonly SendCommand[],
  ): (Candidate & { readonly context: SendContext })[] | undefined {
    const { now } = this.cache;
    if (!now) return undefined;
    const candidates = [];
    for (const command of commands) {
      const { caller, input } = command;
      const cached = this.cache.get(input.conversationId);
      const sender = cached?.senders.get(caller.userId);
      if (!sender || !isPlain(command) || accessRefusal(cached!.conversation, sender, 'member')) return undefined;
      candidates.push({
        command,
        denied: undefined,
        key: { conversationId: input.conversationId, userId: caller.userId, clientId: input.clientId },
        context: {
          command,
          conversation: cached!.conversation,
          sender: { ...sender, now },
          target: undefined,
          source: undefined,
          attachments: [],
          mentions: [],
        },
      });
    }
    return candidates;
  }
}

const isPlain = ({ input: { replyTo, forwardOf, attachmentIds, body } }: SendCommand): boolean =>
  replyTo === undefined && forwardOf === undefined && attachmentIds === undefined && candidatesOf(body).length === 0;

import { Injectable } from '@nestjs/common';
import { accessRefusal, Audience } from '@parley/chat';
import { ChatError, identitiesOf, partsOf } from '@parley/contracts';
import { Database, isUniqueViolation, type Sql } from '@parley/store';
import { ConversationCache, type LockedConversation } from '../commands/conversation-rows.js';
import type { SendCommand, SendContext } from './context.js';
import { decide, type Candidate, type Decisions } from './decide.js';
import { RuleEvaluator } from './rules/evaluation.js';
import type { NewMessage } from './sql.js';

/** Decisions that are committed, with the conversations and members as of the commit. */
export interface CommittedBatch extends Decisions {
  readonly conversations: ReadonlyMap<string, LockedConversation>;
  readonly audiences: ReadonlyMap<string, readonly string[]>;
}

/**
 * Sends plain text in one statement: text without references and mentions, in cached conversations, by cached senders,
 * when no rule needs a query. Everything is decided from the cache. The statement stores nothing unless every
 * conversation still has its cached `rev`, nobody in a direct conversation has blocks, and no `clientId` exists.
 */
@Injectable()
export class FastPath {
  constructor(
    private readonly database: Database,
    private readonly audience: Audience,
    private readonly cache: ConversationCache,
    private readonly rules: RuleEvaluator,
  ) {}

  /**
   * Undefined when the commands do not qualify, or the cache was stale: then nothing is stored, and the caller sends
   * them under locks.
   */
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
    const direct = commands.filter(({ input }) => cached.get(input.conversationId)!.kind === 'direct');
    const times = await storeIfUnchanged(
      this.database,
      batch.advanced.map((after) => ({ before: cached.get(after.id)!, after })),
      batch.messages,
      direct.flatMap(({ caller }) => identitiesOf(caller)),
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
  replyTo === undefined &&
  forwardOf === undefined &&
  attachmentIds === undefined &&
  !partsOf(body).some(({ kind }) => kind === 'mention');

const STORE_IF_UNCHANGED = `
  with expected as (select * from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[]) as e(id, cached_rev, last_seq, rev)),
  locked as (
    select c.id, date_trunc('milliseconds', greatest(clock_timestamp(), c.active_at)) as now
    from expected e join chat.conversation c on c.id = e.id and c.rev = e.cached_rev order by c.id for update of c),
  unchanged as (
    select 1 where (select count(*) from locked) = cardinality($1)
      and not exists (select 1 from chat.block b where b.blocker_id = any($5::uuid[])) and not exists (select 1 from chat.block b where b.blocked_id = any($5::uuid[]))),
  advanced as (
    update chat.conversation c set last_seq = e.last_seq, rev = e.rev, active_at = h.now
    from expected e join locked h on h.id = e.id cross join unchanged where c.id = e.id),
  stored as (
    insert into chat.message (id, conversation_id, seq, rev, sender_id, client_id, type, body, created_at, trace_id)
    select n.id, n.conversation_id, n.seq, n.rev, n.sender_id, n.client_id, n.type, n.body, h.now, n.trace_id
    from unnest($6::uuid[], $7::uuid[], $8::bigint[], $9::bigint[], $10::uuid[], $11::text[], $12::text[], $13::text[], $14::uuid[])
      as n(id, conversation_id, seq, rev, sender_id, client_id, type, body, trace_id)
    join locked h on h.id = n.conversation_id cross join unchanged)
  select h.id, h.now from locked h cross join unchanged`;
/**
 * Stores plain messages and advances their conversations, in one statement that is its own transaction, provided that
 * every conversation still has the `rev` of `before`, and that none of `directSenders`, the senders in direct
 * conversations and the owners of bots among them, blocks anybody or is blocked. Returns the messages' time by conversation: the database's, never before
 * that of the previous message. Returns undefined when a condition failed and nothing was stored. Rejects with a unique
 * violation, storing nothing, when a `clientId` exists.
 *
 * A statement that waited for a row lock sees other rows as they were before the wait, so it must not join members. It
 * need not: an unchanged `rev` also proves that the members are unchanged.
 */
async function storeIfUnchanged(
  sql: Sql,
  conversations: readonly { readonly before: LockedConversation; readonly after: LockedConversation }[],
  messages: readonly NewMessage[],
  directSenders: readonly string[],
): Promise<Map<string, Date> | undefined> {
  const column = <K extends keyof NewMessage>(key: K) => messages.map((message) => message[key]);
  const rows = await sql.query<{ id: string; now: Date }>(STORE_IF_UNCHANGED, [
    conversations.map(({ after }) => after.id),
    conversations.map(({ before }) => before.rev),
    conversations.map(({ after }) => after.last_seq),
    conversations.map(({ after }) => after.rev),
    directSenders,
    column('id'),
    column('conversationId'),
    column('seq'),
    column('rev'),
    column('senderId'),
    column('clientId'),
    column('type'),
    column('body'),
    column('traceId'),
  ]);
  return rows.length === 0 ? undefined : new Map(rows.map(({ id, now }) => [id, now]));
}

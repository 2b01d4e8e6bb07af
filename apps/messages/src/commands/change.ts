import type { Delivery } from '@parley/broker';
import { accessRefusal, audienceOf, toConversation, viewConversations, type Access, type Audience } from '@parley/chat';
import {
  ChatError,
  foldName,
  type Actor,
  type Conversation,
  type DomainEvent,
  type DomainEventName,
  type Message,
  type ServerEvent,
  type ServerEventName,
  type SystemNote,
} from '@parley/contracts';
import type { PushOptions } from '@parley/realtime';
import type { Database, Sql } from '@parley/store';
import {
  callerStatesOf,
  lockConversations,
  type CallerState,
  type ConversationCache,
  type LockedConversation,
} from './conversation-rows.js';
import { findSystemMessage, insertSystemMessage } from './system-messages.js';

/**
 * Parts of a conversation beside its messages. Each has the `rev` of its last change, so that catching up returns only
 * changed parts.
 */
export type ConversationPart = 'conversation' | 'members' | 'drawing';

/** The caller and request of a command. */
export interface CommandContext {
  readonly caller: Actor;
  /** Whether an earlier delivery may have carried out the command. */
  readonly redelivered: boolean;
}
export const contextOf = ({
  payload: { caller },
  redelivered,
}: Pick<Delivery<{ caller: Actor }>, 'payload' | 'redelivered'>): CommandContext => ({ caller, redelivered });

/** A live event, pushed to users. */
export type LiveEvent = {
  [E in ServerEventName]: {
    readonly to: readonly string[];
    readonly event: E;
    readonly payload: ServerEvent<E>;
  } & Pick<PushOptions, 'id' | 'except'>;
}[ServerEventName];
/** A domain event, published to the other services. */
type PublishedEvent = {
  [N in DomainEventName]: { readonly publish: N; readonly payload: DomainEvent<N> };
}[DomainEventName];
/** An event that a command sends after its commit. */
export type OutgoingEvent = LiveEvent | PublishedEvent;

/** The result of a committed command: its answer and its events. */
export interface Committed<T> {
  readonly answer: T;
  /** Published after the answer, in this order: live events first, then domain events. */
  readonly events: readonly OutgoingEvent[];
  /**
   * A new message whose `message.created.v1` is published after the handler has returned. The command is acknowledged
   * after that.
   */
  readonly created?: Message;
}

/**
 * One change of one conversation under the lock of its row. Until the commit nobody else assigns its `seq` and `rev` or
 * changes its members. The row is written once, at the end, and only when a `rev` was taken.
 */
export class ConversationChange {
  /** Published after the commit, in this order. */
  readonly events: OutgoingEvent[] = [];
  private modified = false;
  private membersChanged = false;

  constructor(
    readonly sql: Sql,
    readonly context: CommandContext,
    /** Its columns may be changed; {@link save} writes them. */
    readonly conversation: LockedConversation,
    /** The caller's row. Its `now` is the time of this change. */
    readonly member: CallerState,
    private readonly cachedAudience: Audience,
  ) {}

  get userId(): string {
    return this.context.caller.userId;
  }
  get now(): Date {
    return this.member.now;
  }
  /**
   * True when events must be published again although nothing changes: an earlier delivery may have been cut off before
   * it published them.
   */
  get repeat(): boolean {
    return this.context.redelivered;
  }

  /** Takes the next `rev`. `parts` names the parts that the change affects beside a message. */
  nextRev(...parts: readonly ConversationPart[]): number {
    this.modified = true;
    const rev = ++this.conversation.rev;
    for (const part of parts) this.conversation[`${part}_rev`] = rev;
    this.membersChanged ||= parts.includes('members');
    return rev;
  }

  /** The users that the conversation's events go to, as of this change. */
  async audience(): Promise<readonly string[]> {
    const { id, members_rev } = this.conversation;
    // Not cached before the commit: after a rollback another change would get the same `members_rev`.
    if (this.membersChanged) return audienceOf(this.sql, id);
    return (await this.cachedAudience.of(this.sql, [{ conversationId: id, membersRev: members_rev }])).get(id) ?? [];
  }

  /** The conversation without the viewer's membership. */
  describe(): Conversation {
    return toConversation(this.conversation);
  }

  /** The conversation as the caller sees it after this change. */
  view(): Promise<Conversation> {
    return this.viewOf(this.userId);
  }
  /** The conversation as a user sees it after this change. */
  async viewOf(userId: string): Promise<Conversation> {
    await this.save();
    const [conversation] = await viewConversations(this.sql, userId, [this.conversation.id]);
    if (!conversation) throw new ChatError('not_found', 'No such conversation');
    return conversation;
  }

  /**
   * Appends the system message of this command, sent by the caller. A command writes at most one:
   * {@link earlierSystemMessage} finds it after a redelivery.
   */
  note(note: SystemNote): Promise<Message> {
    const { conversation, now } = this;
    conversation.last_seq += 1;
    if (now > conversation.active_at) conversation.active_at = now;
    return insertSystemMessage(this.sql, {
      conversationId: conversation.id,
      seq: conversation.last_seq,
      rev: this.nextRev(),
      senderId: this.userId,
      requestId: this.context.caller.requestId,
      note,
      createdAt: conversation.active_at,
    });
  }

  /** The system message that an earlier delivery of this command wrote. */
  async earlierSystemMessage(): Promise<Message | undefined> {
    if (!this.repeat) return undefined;
    return findSystemMessage(this.sql, this.conversation.id, this.userId, this.context.caller.requestId);
  }

  /**
   * Writes the conversation's row if it was changed. {@link changeConversation} calls it at the end; a change calls it
   * earlier only to read the row meanwhile.
   */
  async save(): Promise<void> {
    if (!this.modified) return;
    this.modified = false;
    const c = this.conversation;
    await this.sql.query(
      `update chat.conversation set title = $2, topic = $3, color = $4, visibility = $5, policy = $6::jsonb, last_seq = $7, rev = $8, conversation_rev = $9, members_rev = $10,
         drawing_rev = $11, member_count = $12, active_at = $13, deleted_at = $14, folded_title = $15
       where id = $1`,
      [
        c.id,
        c.title,
        c.topic,
        c.color,
        c.visibility,
        c.policy,
        c.last_seq,
        c.rev,
        c.conversation_rev,
        c.members_rev,
        c.drawing_rev,
        c.member_count,
        c.active_at,
        c.deleted_at,
        c.title === null ? null : foldName(c.title),
      ],
    );
  }
}

/**
 * `later`: `work` checks access itself, because an earlier delivery of the same command may have ended the caller's
 * access.
 */
export type AccessCheck = Access | 'later';

/** Throws the refusal of a caller without access to the conversation. */
export function requireAccess({ conversation, member }: ConversationChange, access: Access): void {
  const refused = accessRefusal(conversation, member, access);
  if (refused) throw refused;
}

export interface ChangeDependencies {
  readonly database: Database;
  readonly audience: Audience;
  readonly cache: ConversationCache;
}

/**
 * Changes a conversation in one transaction: locks its row, checks access, lets `work` check and write, and writes the
 * row. `work` may run again after a conflict between transactions. An error that it throws rolls everything back.
 */
export async function changeConversation<T>(
  { database, audience, cache }: ChangeDependencies,
  conversationId: string,
  context: CommandContext,
  access: AccessCheck,
  work: (change: ConversationChange) => Promise<T>,
): Promise<Committed<T>> {
  const { conversation, ...committed } = await database.transaction(async (sql) => {
    const [locked] = await lockConversations(sql, [conversationId]);
    const [member] = await callerStatesOf(sql, [{ conversationId, caller: context.caller }]);
    if (!locked) throw new ChatError('not_found', 'No such conversation');
    const change = new ConversationChange(sql, context, locked, member!, audience);
    if (access !== 'later') requireAccess(change, access);
    const answer = await work(change);
    await change.save();
    return { answer, events: change.events, conversation: locked };
  });
  cache.advance(conversation);
  return committed;
}

/** The rows by which commands decide, a conversation and its callers: locked, or cached as last committed. */
import { Injectable } from '@nestjs/common';
import { conversationColumns, hasBlocks, statusNow, type ConversationRow, type MemberState } from '@parley/chat';
import type { Actor } from '@parley/contracts';
import { Lru } from '@parley/service-kit';
import type { Row, Sql } from '@parley/store';

/**
 * A conversation whose row this transaction has locked: until the commit no other transaction assigns its `seq` and
 * `rev` or changes its members.
 */
export interface LockedConversation extends ConversationRow {
  kind: 'direct' | 'group' | 'channel';
  visibility: 'private' | 'public';
  conversation_rev: number;
  members_rev: number;
  drawing_rev: number;
  active_at: Date;
  deleted_at: Date | null;
}
const LOCK = `
  select ${conversationColumns('c')}, c.conversation_rev, c.members_rev, c.drawing_rev, c.active_at, c.deleted_at
  from chat.conversation c where c.id = any($1::uuid[]) order by c.id for update`;
/** Locks the conversations in id order, so that transactions never deadlock. Those that do not exist are absent. */
export const lockConversations = (sql: Sql, ids: readonly string[]): Promise<LockedConversation[]> =>
  sql.query<LockedConversation>(LOCK, [ids]);

/** A caller of a command on a conversation. */
export interface ConversationCaller {
  readonly conversationId: string;
  readonly caller: Pick<Actor, 'userId' | 'ownerId'>;
}
/** A caller's row in a conversation, all null if they were never a member, and the database's time at which it was read. */
export interface CallerState extends Row, MemberState {
  readonly now: Date;
  readonly role: string | null;
  readonly status: string | null;
  readonly left_at: Date | null;
  /**
   * True when the caller or a bot's owner blocks anybody or is blocked by anybody, in any conversation: see
   * `mayBeBlocked`. The query
   * does not join the other person of a direct conversation, because planning that join costs every small batch more
   * than the second query costs the few that need it.
   */
  readonly has_blocks: boolean;
}
const CALLERS = `
  select clock_timestamp() as now, m.role, ${statusNow('m')} as status, m.left_at, ${hasBlocks('q.user_id')} or ${hasBlocks('q.owner_id')} as has_blocks
  from unnest($1::uuid[], $2::uuid[], $3::uuid[]) with ordinality as q(conversation_id, user_id, owner_id, n)
  left join chat.member m on m.conversation_id = q.conversation_id and m.user_id = q.user_id
  order by q.n`;
/** One row for each caller, in their order. Exact under the locks of {@link lockConversations}. */
export const callerStatesOf = (sql: Sql, callers: readonly ConversationCaller[]): Promise<CallerState[]> =>
  sql.query<CallerState>(CALLERS, [
    callers.map(({ conversationId }) => conversationId),
    callers.map(({ caller }) => caller.userId),
    callers.map(({ caller }) => caller.ownerId),
  ]);

/** A conversation's row at one `rev`, and recent senders' rows in it. */
export interface CachedConversation {
  readonly conversation: LockedConversation;
  readonly senders: ReadonlyMap<string, CallerState>;
}

/** Maximum number of cached rows, conversations and senders together: some tens of megabytes. */
const CAPACITY = 50_000;
/** Maximum number of cached senders of one conversation. */
const MAX_SENDERS = 1000;

/**
 * The conversations that this process writes to, as its own transactions left them. Every change of a conversation or
 * its members raises its `rev`, so an entry is valid only while the row has that `rev`. Statements that use an entry
 * must check it.
 */
@Injectable()
export class ConversationCache {
  private readonly entries = new Lru<CachedConversation>(CAPACITY, ({ senders }) => 1 + senders.size);
  /** The database's clock, and when it was read by this process' monotonic clock, in milliseconds. */
  private clock: { readonly now: number; readonly readAt: number } | undefined;

  get(conversationId: string): CachedConversation | undefined {
    return this.entries.get(conversationId);
  }

  /** Stores rows that a committed transaction read or wrote. Keeps cached senders while `members_rev` is unchanged. */
  store(conversation: LockedConversation, senders: Iterable<readonly [userId: string, sender: CallerState]>): void {
    const before = this.entries.get(conversation.id);
    const kept = before?.conversation.members_rev === conversation.members_rev ? before.senders : [];
    const merged = new Map([...kept, ...senders]);
    this.entries.set(conversation.id, { conversation, senders: merged.size > MAX_SENDERS ? new Map(senders) : merged });
  }

  /**
   * Stores a conversation's row as committed. Keeps the cached senders while `members_rev` is unchanged; otherwise
   * removes the entry.
   */
  advance(conversation: LockedConversation): void {
    const before = this.entries.get(conversation.id);
    if (before?.conversation.members_rev === conversation.members_rev)
      this.entries.set(conversation.id, { conversation, senders: before.senders });
    else this.forget(conversation.id);
  }

  forget(conversationId: string): void {
    this.entries.delete(conversationId);
  }

  setClock(now: Date): void {
    this.clock = { now: now.getTime(), readAt: performance.now() };
  }

  /** An estimate of the database's clock; undefined before {@link setClock}. */
  get now(): Date | undefined {
    return this.clock && new Date(this.clock.now + performance.now() - this.clock.readAt);
  }
}

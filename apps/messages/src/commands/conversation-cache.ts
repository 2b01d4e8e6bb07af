import { Injectable } from '@nestjs/common';
import { Lru } from '@parley/service-kit';
import type { CallerState, LockedConversation } from './locked-conversation.js';

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

  /** Stores a conversation's row as committed. Keeps the cached senders while `members_rev` is unchanged; otherwise the entry goes. */
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

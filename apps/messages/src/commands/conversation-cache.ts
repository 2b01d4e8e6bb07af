import { Lru } from '@parley/service-kit';
import type { LockedConversation, Sender } from '../sending/sql.js';

/** A conversation as it was at its `rev`, and what those who wrote there lately were in it. */
export interface Standing {
  readonly conversation: LockedConversation;
  readonly senders: ReadonlyMap<string, Sender>;
}

/** Rows that are remembered at most, of conversations and senders: some tens of megabytes. */
const CAPACITY = 50_000;
/** More senders of one conversation are looked up again. */
const SENDERS = 1000;

/**
 * What this process knows of the conversations that it writes to. Nothing here is relied on by itself: every change of a conversation or its members takes a `rev`, so what is remembered is
 * true exactly while the conversation's row has that `rev`, which whoever uses it has to make a condition of what is written.
 */
export class Standings {
  private readonly known = new Lru<Standing>(CAPACITY, ({ senders }) => 1 + senders.size);
  /** The database's clock, as last heard, and when by ours. */
  private clock: { readonly now: number; readonly heard: number } | undefined;

  of(conversationId: string): Standing | undefined {
    return this.known.get(conversationId);
  }

  /** What a transaction that is committed saw, or wrote. */
  remember(conversation: LockedConversation, senders: Iterable<readonly [userId: string, sender: Sender]>): void {
    const before = this.known.get(conversation.id);
    const kept = before?.conversation.members_rev === conversation.members_rev ? before.senders : [];
    const all = new Map([...kept, ...senders]);
    this.known.set(conversation.id, { conversation, senders: all.size > SENDERS ? new Map(senders) : all });
  }

  /** The conversation further on, after a commit. Senders are remembered as long as no member changes. */
  advance(conversation: LockedConversation): void {
    const before = this.known.get(conversation.id);
    if (before?.conversation.members_rev === conversation.members_rev)
      this.known.set(conversation.id, { conversation, senders: before.senders });
    else this.forget(conversation.id);
  }

  forget(conversationId: string): void {
    this.known.delete(conversationId);
  }

  heard(now: Date): void {
    this.clock = { now: now.getTime(), heard: performance.now() };
  }

  /** About what the database's clock says now; undefined before anything was heard of it. */
  get now(): Date | undefined {
    return this.clock && new Date(this.clock.now + performance.now() - this.clock.heard);
  }
}

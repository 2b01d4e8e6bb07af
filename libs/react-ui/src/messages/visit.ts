import type { ConversationView, ParleyClient } from '@parley/client';
import { createContext, useContext } from 'react';

/**
 * A stay in a conversation, from opening to leaving it. Messages that are seen meanwhile are read, until the user marks
 * some as unread, here or on another device: then nothing is read any more before the conversation is opened again.
 */
export class Visit {
  private held = false;
  private unreadFrom = 0;

  constructor(
    private readonly client: ParleyClient,
    private readonly conversationId: string,
  ) {}

  /** Whether messages were marked as unread during this visit. */
  get isHeld(): boolean {
    return this.held;
  }

  /** Notices marks. Call it with each state of the conversation, before messages of that state are seen. */
  watch({ opened, conversation, readSeq }: ConversationView): void {
    if (!opened) return;
    const unreadFrom = conversation.me?.unreadFrom ?? readSeq + 1;
    this.held ||= unreadFrom < this.unreadFrom;
    this.unreadFrom = unreadFrom;
  }

  /** These messages were on the screen. */
  see(seqs: readonly number[]): void {
    const { conversations, connection } = this.client.getState();
    const view = conversations.get(this.conversationId);
    // A state from before a reload may lack unread messages, and marks.
    if (!view || (view.kept && connection !== 'offline')) return;
    this.watch(view);
    if (!this.held) this.client.markSeen(this.conversationId, seqs);
  }

  async markUnread(seq: number): Promise<void> {
    const wasHeld = this.held;
    this.held = true;
    try {
      await this.client.markUnread(this.conversationId, seq);
    } catch (error) {
      this.held = wasHeld;
      throw error;
    }
  }

  /** The user says that everything is read. */
  markRead(): void {
    this.client.markRead(this.conversationId);
    this.held = false;
  }
}

/** The visit to which the messages on the screen belong. */
export const VisitContext = createContext<Visit | undefined>(undefined);

/** The visit of the conversation around the component. */
export const useVisit = (): Visit | undefined => useContext(VisitContext);

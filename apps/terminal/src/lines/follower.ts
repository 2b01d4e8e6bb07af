import type { Conversation, Message, ParleyClient } from '@parley/client';

const PAGE_SIZE = 100;
const RETRY_MS = 2_000;

type Page = { readonly items: readonly Message[] };

/**
 * Prints every stored message of the followed conversations that comes after the start: each once, in order and without
 * gaps within a conversation, also after lost connections. The user's own messages are included. A deleted message is
 * printed as deleted if it was deleted before it was printed.
 */
export class Follower {
  /** By conversation, the `seq` up to which everything is printed. */
  private readonly printedSeq = new Map<string, number>();
  private readonly working = new Set<string>();
  private stopped = false;
  private unsubscribe: (() => void) | undefined;

  constructor(
    private readonly client: ParleyClient,
    private readonly print: (message: Message, conversation: Conversation) => Promise<void>,
    private readonly onlyId?: string,
  ) {}

  /**
   * Starts after the last messages of these conversations, or `last` messages earlier. With `onlyId`, follows that
   * conversation alone. A conversation that appears later is printed from the user's read position on, which is where
   * they joined it.
   */
  start(conversations: readonly Conversation[], last = 0): void {
    for (const { id, lastSeq } of conversations) this.printedSeq.set(id, Math.max(0, lastSeq - last));
    this.unsubscribe = this.client.subscribe(() => this.check());
    this.check();
  }

  stop(): void {
    this.stopped = true;
    this.unsubscribe?.();
  }

  private check(): void {
    const { conversations } = this.client.getState();
    for (const [id, { conversation, readSeq }] of conversations) {
      if (this.onlyId !== undefined && id !== this.onlyId) continue;
      if (!this.printedSeq.has(id)) this.printedSeq.set(id, readSeq);
      if (conversation.lastSeq > this.printedSeq.get(id)! && !this.working.has(id)) void this.printNew(id);
    }
  }

  private async printNew(id: string): Promise<void> {
    this.working.add(id);
    try {
      while (!this.stopped && (await this.printPage(id)));
    } catch {
      // The server cannot be reached, or the conversation has changed meanwhile.
      setTimeout(() => this.stopped || this.check(), RETRY_MS).unref();
    } finally {
      this.working.delete(id);
    }
  }

  /** Prints the next messages. Resolves with whether there were any. */
  private async printPage(id: string): Promise<boolean> {
    const view = this.client.getState().conversations.get(id);
    const from = this.printedSeq.get(id)!;
    if (!view || view.conversation.lastSeq <= from) return false;
    const { lastMessage } = view.conversation;
    const items =
      lastMessage?.seq === from + 1
        ? [lastMessage]
        : (
            await this.client.request<Page>('GET', `/conversations/${id}/messages`, {
              query: { after: from, limit: PAGE_SIZE },
            })
          ).items;
    for (const message of items) {
      await this.print(message, view.conversation);
      this.printedSeq.set(id, message.seq);
    }
    return items.length > 0;
  }
}

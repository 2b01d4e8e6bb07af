import type { Conversation, Message, ParleyClient } from '@parley/client';

const PAGE = 100;
const AGAIN_MS = 2_000;

type Page = { readonly items: readonly Message[] };

/**
 * Tells every stored message of the followed conversations that comes after the beginning: each once, those of one conversation in their order and without a hole, whatever the connection does meanwhile. The user's own are
 * among them; deleted ones are told as what they are when their turn comes.
 */
export class Follower {
  /** Up to which `seq` all of a conversation was told. */
  private readonly told = new Map<string, number>();
  private readonly working = new Set<string>();
  private stopped = false;
  private unsubscribe: (() => void) | undefined;

  constructor(
    private readonly client: ParleyClient,
    private readonly tell: (message: Message, conversation: Conversation) => Promise<void>,
    private readonly only?: string,
  ) {}

  /** From after these: with `only` its conversation, else all that there are. Those that turn up later are told from where the user had read to, which is where they came in. */
  start(conversations: readonly Conversation[], last = 0): void {
    for (const { id, lastSeq } of conversations) this.told.set(id, Math.max(0, lastSeq - last));
    this.unsubscribe = this.client.subscribe(() => this.look());
    this.look();
  }

  stop(): void {
    this.stopped = true;
    this.unsubscribe?.();
  }

  private look(): void {
    const { conversations } = this.client.getState();
    for (const [id, { conversation, readSeq }] of conversations) {
      if (this.only !== undefined && id !== this.only) continue;
      if (!this.told.has(id)) this.told.set(id, readSeq);
      if (conversation.lastSeq > this.told.get(id)! && !this.working.has(id)) void this.work(id);
    }
  }

  private async work(id: string): Promise<void> {
    this.working.add(id);
    try {
      while (!this.stopped && (await this.advance(id)));
    } catch {
      // The server cannot be reached, or has another opinion than a moment ago.
      setTimeout(() => this.stopped || this.look(), AGAIN_MS).unref();
    } finally {
      this.working.delete(id);
    }
  }

  /** Tells what follows; whether there was anything. */
  private async advance(id: string): Promise<boolean> {
    const view = this.client.getState().conversations.get(id);
    const from = this.told.get(id)!;
    if (!view || view.conversation.lastSeq <= from) return false;
    const { lastMessage } = view.conversation;
    const items =
      lastMessage?.seq === from + 1
        ? [lastMessage]
        : (
            await this.client.request<Page>('GET', `/conversations/${id}/messages`, {
              query: { after: from, limit: PAGE },
            })
          ).items;
    for (const message of items) {
      await this.tell(message, view.conversation);
      this.told.set(id, message.seq);
    }
    return items.length > 0;
  }
}

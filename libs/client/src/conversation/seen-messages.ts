import type { Message } from '#contracts';

/** Beyond this number, those that were seen first are forgotten, and count as unseen again. */
const MAX_SEEN = 5_000;

/** The messages that were on the screen, from the first unread one on. */
export class SeenMessages {
  private readonly seqs = new Set<number>();

  add(seqs: Iterable<number>): void {
    for (const seq of seqs) this.seqs.add(seq);
    for (const seq of this.seqs) {
      if (this.seqs.size <= MAX_SEEN) return;
      this.seqs.delete(seq);
    }
  }

  forgetBefore(firstUnread: number): void {
    for (const seq of this.seqs) if (seq < firstUnread) this.seqs.delete(seq);
  }

  clear(): void {
    this.seqs.clear();
  }

  /** The last seen one of these messages, which ascend, before the first one that is unread and was not seen. */
  reach(messages: readonly Message[], isUnread: (message: Message) => boolean): number | undefined {
    let reached: number | undefined;
    if (this.seqs.size === 0) return undefined;
    for (const message of messages) {
      if (this.seqs.has(message.seq)) reached = message.seq;
      else if (isUnread(message)) break;
    }
    return reached;
  }
}

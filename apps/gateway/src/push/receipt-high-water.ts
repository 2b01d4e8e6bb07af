import type { Receipt } from '@parley/contracts';

/** Members whose newest position is remembered; of more, those that moved longest ago are forgotten. */
const MOST = 50_000;

/**
 * The newest positions that were shown here. Replicas of history move cursors side by side, so what one tells may overtake what the other told before it, by as long as a process can stand
 * still; nobody is shown a position that goes back (I5).
 */
export class Positions {
  private readonly newest = new Map<string, Pick<Receipt, 'readSeq' | 'deliveredSeq'>>();

  constructor(private readonly most = MOST) {}

  /** The receipt as it may be shown: nowhere behind what was shown before. Undefined: it says nothing new. */
  forward(receipt: Receipt): Receipt | undefined {
    const key = `${receipt.conversationId} ${receipt.userId}`;
    const { readSeq, deliveredSeq } = this.newest.get(key) ?? { readSeq: -1, deliveredSeq: -1 };
    if (receipt.readSeq <= readSeq && receipt.deliveredSeq <= deliveredSeq) return undefined;
    const next = {
      ...receipt,
      readSeq: Math.max(readSeq, receipt.readSeq),
      deliveredSeq: Math.max(deliveredSeq, receipt.deliveredSeq),
    };
    this.newest.delete(key);
    if (this.newest.size >= this.most) this.newest.delete(this.newest.keys().next().value!);
    this.newest.set(key, next);
    return next;
  }
}

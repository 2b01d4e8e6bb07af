import type { Receipt } from '@parley/contracts';

/** Maximum number of members with remembered positions; beyond that, the oldest are forgotten. */
const MAX_MEMBERS = 50_000;

/**
 * The highest receipt positions that this gateway has shown. Replicas of history move cursors side by side, so a frame may overtake an earlier one of another replica, by as long as a process can stall;
 * no client may see a position go back (I5).
 */
export class ReceiptHighWater {
  private readonly highest = new Map<string, Pick<Receipt, 'readSeq' | 'deliveredSeq'>>();

  constructor(private readonly maxMembers = MAX_MEMBERS) {}

  /** Raises a receipt to the highest positions shown before. Returns undefined if it contains nothing new. */
  advance(receipt: Receipt): Receipt | undefined {
    const key = `${receipt.conversationId} ${receipt.userId}`;
    const { readSeq, deliveredSeq } = this.highest.get(key) ?? { readSeq: -1, deliveredSeq: -1 };
    if (receipt.readSeq <= readSeq && receipt.deliveredSeq <= deliveredSeq) return undefined;
    const advanced = {
      ...receipt,
      readSeq: Math.max(readSeq, receipt.readSeq),
      deliveredSeq: Math.max(deliveredSeq, receipt.deliveredSeq),
    };
    this.highest.delete(key);
    if (this.highest.size >= this.maxMembers) this.highest.delete(this.highest.keys().next().value!);
    this.highest.set(key, advanced);
    return advanced;
  }
}

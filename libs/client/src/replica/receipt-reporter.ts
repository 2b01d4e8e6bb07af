import { ParleyError } from '../errors.js';
import type { Store } from './store.js';

const DELIVERED_DELAY_MS = 400;
const READ_DELAY_MS = 100;
const RETRY_MS = 5_000;

/** The functions that a {@link ReceiptReporter} calls. */
export interface ReceiptHooks {
  online(): boolean;
  reportDelivered(conversationId: string, seq: number): Promise<unknown>;
  reportRead(conversationId: string, seq: number): Promise<unknown>;
  error(error: ParleyError): void;
}

/**
 * Reports received messages automatically and read messages on request: the newest position of each conversation, a
 * moment after it moved. Failed reports are repeated.
 */
export class ReceiptReporter {
  private readonly delivered = new Map<string, number>();
  private readonly pendingReads = new Map<string, number>();
  /** Reads that are being reported. */
  private readonly sentReads = new Map<string, number>();
  private deliveredTimer: ReturnType<typeof setTimeout> | undefined;
  private readTimer: ReturnType<typeof setTimeout> | undefined;
  private reporting = false;
  private reads: Promise<void> = Promise.resolve();

  constructor(
    private readonly store: Store,
    private readonly hooks: ReceiptHooks,
  ) {}

  /** Messages may have arrived. */
  scheduleDelivered(ms = DELIVERED_DELAY_MS): void {
    this.deliveredTimer ??= setTimeout(() => {
      this.deliveredTimer = undefined;
      void this.reportDelivered();
    }, ms);
  }

  /** The user has read up to `seq`. The state shows it at once. */
  read(conversationId: string, seq: number): void {
    this.store.change(conversationId, (conversation) => conversation.read(seq, seq, true));
    this.addRead(conversationId, seq, READ_DELAY_MS);
  }

  /** Up to where the user has read, if the server may not know it yet. */
  unreportedRead(conversationId: string): number | undefined {
    return this.pendingReads.get(conversationId) ?? this.sentReads.get(conversationId);
  }

  /** Reports the reads that wait, without delay. Resolves when no report of a read is under way. */
  flush(): Promise<void> {
    clearTimeout(this.readTimer);
    this.readTimer = undefined;
    return this.reportReads();
  }

  /** Reports what waits. Call it when there is a connection. */
  resume(): void {
    if (this.pendingReads.size > 0) void this.reportReads();
  }

  clear(): void {
    clearTimeout(this.deliveredTimer);
    clearTimeout(this.readTimer);
    this.deliveredTimer = this.readTimer = undefined;
    this.delivered.clear();
    this.pendingReads.clear();
  }

  private async reportDelivered(): Promise<void> {
    if (this.reporting) return this.scheduleDelivered();
    this.reporting = true;
    try {
      for (const [id, { hasGap, lastSeq, membership }] of this.store.conversations) {
        const reported = Math.max(membership.deliveredSeq, this.delivered.get(id) ?? 0);
        // With a gap, not every message up to the last one has arrived.
        if (!this.hooks.online() || hasGap || lastSeq <= reported) continue;
        this.delivered.set(id, lastSeq);
        await this.attempt(
          () => this.hooks.reportDelivered(id, lastSeq),
          () => {
            this.delivered.delete(id);
            this.scheduleDelivered(RETRY_MS);
          },
        );
      }
    } finally {
      this.reporting = false;
    }
  }

  private reportReads(): Promise<void> {
    return (this.reads = this.reads.then(() => this.reportPendingReads()));
  }

  private async reportPendingReads(): Promise<void> {
    // Reads that fail are put back for the next time, not for this one.
    const due = [...this.pendingReads.keys()];
    for (const id of due) {
      // The user may have read on while the reads before this one were reported.
      const seq = this.pendingReads.get(id);
      if (!this.hooks.online()) return;
      if (seq === undefined) continue;
      this.pendingReads.delete(id);
      this.sentReads.set(id, seq);
      await this.attempt(
        () => this.hooks.reportRead(id, seq),
        () => this.addRead(id, seq, RETRY_MS),
      );
      this.sentReads.delete(id);
    }
  }

  private addRead(conversationId: string, seq: number, ms: number): void {
    this.pendingReads.set(conversationId, Math.max(seq, this.pendingReads.get(conversationId) ?? 0));
    this.readTimer ??= setTimeout(() => {
      this.readTimer = undefined;
      void this.reportReads();
    }, ms);
  }

  private async attempt(report: () => Promise<unknown>, retry: () => void): Promise<void> {
    try {
      await report();
    } catch (caught) {
      const error = ParleyError.of(caught);
      if (error.temporary) retry();
      else if (error.code !== 'not_found' && error.code !== 'banned') this.hooks.error(error);
    }
  }
}

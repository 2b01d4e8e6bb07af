import { ParleyError } from '../errors.js';
import type { Store } from './store.js';

const DELIVERED_MS = 400;
const READ_MS = 100;
const AGAIN_MS = 5_000;

/** Tells the server what has arrived here, by itself, and what was read, when asked to: the newest position of each conversation once in a while. What could not be told is told later. */
export class Receipts {
  private readonly told = new Map<string, number>();
  private readonly reads = new Map<string, number>();
  /** Those of which the answer is on its way. */
  private readonly reporting = new Map<string, number>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private reading: ReturnType<typeof setTimeout> | undefined;
  private telling = false;

  constructor(
    private readonly store: Store,
    private readonly hooks: {
      online(): boolean;
      delivered(conversationId: string, seq: number): Promise<unknown>;
      read(conversationId: string, seq: number): Promise<unknown>;
      error(error: ParleyError): void;
    },
  ) {}

  /** Something may have arrived. */
  arrived(ms = DELIVERED_MS): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.tell();
    }, ms);
  }

  /** The user has read up to `seq`. Shown at once. */
  read(conversationId: string, seq: number): void {
    this.store.change(conversationId, (held) => held.read(seq, seq, true));
    this.reads.set(conversationId, Math.max(seq, this.reads.get(conversationId) ?? 0));
    this.soon(READ_MS);
  }

  /** Up to where the user has read, where the server does not know of it for certain. */
  untold(conversationId: string): number | undefined {
    return this.reads.get(conversationId) ?? this.reporting.get(conversationId);
  }

  /** There is a connection again. */
  resume(): void {
    if (this.reads.size > 0) void this.tellReads();
  }

  clear(): void {
    clearTimeout(this.timer);
    clearTimeout(this.reading);
    this.timer = this.reading = undefined;
    this.told.clear();
    this.reads.clear();
  }

  private async tell(): Promise<void> {
    if (this.telling) return this.arrived();
    this.telling = true;
    try {
      for (const [id, held] of this.store.held) {
        // With a hole, not everything up to there has arrived.
        if (
          !this.hooks.online() ||
          held.hasHole ||
          held.lastSeq <= Math.max(held.own.deliveredSeq, this.told.get(id) ?? 0)
        )
          continue;
        const seq = held.lastSeq;
        this.told.set(id, seq);
        await this.attempt(
          () => this.hooks.delivered(id, seq),
          () => {
            this.told.delete(id);
            this.arrived(AGAIN_MS);
          },
        );
      }
    } finally {
      this.telling = false;
    }
  }

  private async tellReads(): Promise<void> {
    // Those that are put back wait for the next time.
    const due = [...this.reads];
    for (const [id, seq] of due) {
      if (!this.hooks.online()) return;
      this.reads.delete(id);
      this.reporting.set(id, seq);
      await this.attempt(
        () => this.hooks.read(id, seq),
        () => {
          this.reads.set(id, Math.max(seq, this.reads.get(id) ?? 0));
          this.soon(AGAIN_MS);
        },
      );
      this.reporting.delete(id);
    }
  }

  private soon(ms: number): void {
    this.reading ??= setTimeout(() => {
      this.reading = undefined;
      void this.tellReads();
    }, ms);
  }

  private async attempt(tell: () => Promise<unknown>, again: () => void): Promise<void> {
    try {
      await tell();
    } catch (caught) {
      const error = ParleyError.of(caught);
      if (error.temporary) again();
      else if (error.code !== 'not_found' && error.code !== 'banned') this.hooks.error(error);
    }
  }
}

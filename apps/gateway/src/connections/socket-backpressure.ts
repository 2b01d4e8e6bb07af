import { without } from '@parley/faults';
import { queuedBytes, terminate } from '@parley/patches';
import type { Socket } from 'socket.io';

/** What a socket may leave unread: answers wait for room below it, and who stays above it is cut off. */
export const OUTGOING_BYTES = 1024 * 1024;
/** Pushes do not wait, so there is a bound that nothing passes. */
const MOST_BYTES = 8 * OUTGOING_BYTES;
/** How long a socket may stay above the limit. A client that reads is below it again within a turn of the event loop or some. */
const PATIENCE_MS = 5_000;
const LOOK_MS = 50;

/**
 * What is on its way to a client. A client that reads too slowly to keep up is cut off: it reconnects and syncs. Counts what is written, and measures what
 * really waits only when the count passes the limit, so the cost per packet is an addition.
 */
export class Outgoing {
  private counted = 0;
  private behindSince: number | undefined;
  private cut = false;

  constructor(
    private readonly socket: Socket,
    private readonly onCut: () => void,
    private readonly limit: number = OUTGOING_BYTES,
    private readonly patienceMs: number = PATIENCE_MS,
  ) {
    socket.conn.on('packetCreate', ({ data }: { readonly data?: string | Buffer }) => this.written(data?.length ?? 0));
  }

  /** Resolves when an answer may be written: at once, unless more than the limit is on its way; or when the connection has ended. */
  async room(): Promise<void> {
    while (this.counted > this.limit && !this.cut && this.socket.connected && this.measure() > this.limit) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** What waits, in bytes or characters. */
  private measure(): number {
    return (this.counted = queuedBytes(this.socket.conn));
  }

  private written(size: number): void {
    this.counted += size;
    if (this.counted > this.limit && !this.cut && this.measure() > this.limit) this.behind();
  }

  private behind(): void {
    if (this.counted > MOST_BYTES) return this.end();
    if (this.behindSince !== undefined) return;
    this.behindSince = performance.now();
    const look = setInterval(() => {
      const ended = this.cut || !this.socket.connected || this.measure() <= this.limit;
      const late = performance.now() - this.behindSince! >= this.patienceMs;
      if (!ended && !late) return;
      clearInterval(look);
      this.behindSince = undefined;
      if (!ended) this.end();
    }, LOOK_MS);
  }

  private end(): void {
    if (without('slow-sockets')) return;
    this.cut = true;
    this.onCut();
    // Not within the write that we are in.
    setImmediate(() => terminate(this.socket.conn));
  }
}

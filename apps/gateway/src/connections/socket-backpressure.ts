import { queuedBytes, terminate } from '@parley/patches';
import type { Socket } from 'socket.io';

/**
 * Maximum number of unsent bytes of one client. Answers wait until it is below this; a client that stays above it is
 * disconnected.
 */
const MAX_QUEUED_BYTES = 1024 * 1024;
/** Pushes do not wait, so this bound disconnects at once. */
const HARD_MAX_QUEUED_BYTES = 8 * MAX_QUEUED_BYTES;
/** Maximum time above the limit. A reading client is below it again within a few turns of the event loop. */
const SLOW_TIMEOUT_MS = 5_000;
const POLL_MS = 50;

/**
 * Bounds the unsent data of one client. A client that reads too slowly is disconnected; it reconnects and syncs. Counting written bytes costs an addition per packet; the unsent data is measured only when
 * the count passes the limit.
 */
export class SocketBackpressure {
  /** An upper bound of the unsent data: the last measurement plus everything written since. */
  private countedBytes = 0;
  private slowSince: number | undefined;
  private disconnected = false;

  constructor(
    private readonly socket: Socket,
    private readonly onDisconnect: () => void,
  ) {
    socket.conn.on('packetCreate', ({ data }: { readonly data?: string | Buffer }) => this.written(data?.length ?? 0));
  }

  /** Resolves when an answer may be written: at once unless too much is on its way, or when the connection has ended. */
  async writable(): Promise<void> {
    while (
      this.countedBytes > MAX_QUEUED_BYTES &&
      !this.disconnected &&
      this.socket.connected &&
      this.measure() > MAX_QUEUED_BYTES
    )
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }

  private measure(): number {
    return (this.countedBytes = queuedBytes(this.socket.conn));
  }

  private written(bytes: number): void {
    this.countedBytes += bytes;
    if (this.countedBytes > MAX_QUEUED_BYTES && !this.disconnected && this.measure() > MAX_QUEUED_BYTES) this.slow();
  }

  private slow(): void {
    if (this.countedBytes > HARD_MAX_QUEUED_BYTES) return this.disconnect();
    if (this.slowSince !== undefined) return;
    this.slowSince = performance.now();
    const poll = setInterval(() => {
      const over = this.disconnected || !this.socket.connected || this.measure() <= MAX_QUEUED_BYTES;
      const late = performance.now() - this.slowSince! >= SLOW_TIMEOUT_MS;
      if (!over && !late) return;
      clearInterval(poll);
      this.slowSince = undefined;
      if (!over) this.disconnect();
    }, POLL_MS);
  }

  private disconnect(): void {
    this.disconnected = true;
    this.onDisconnect();
    // Not within the write that led here.
    setImmediate(() => terminate(this.socket.conn));
  }
}

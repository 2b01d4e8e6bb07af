import { ChatError, newId, type PresenceState } from '@parley/contracts';
import { queuedBytes, terminate } from '@parley/patches';
import type { Namespace, Socket } from 'socket.io';
import type { Session } from '../auth/session.js';

/** Maximum number of calls of one connection that wait for their answers. */
const MAX_PENDING_CALLS = 256;
/** Maximum time for a closing transport to send its written data. */
const CLOSE_TIMEOUT_MS = 2_000;
const nothing = () => undefined;

/** Socket.IO's room of a user's connections. */
export const userRoom = (userId: string) => `user:${userId}`;
/** Socket.IO's room of a session's connections. */
export const sessionRoom = (sessionId: string) => `session:${sessionId}`;

/** The connections in these rooms, looked up while they are iterated. */
export function* connectionsIn(
  { adapter, sockets }: Namespace,
  rooms: readonly string[],
): Iterable<{ readonly userId: string; readonly connectionId: string }> {
  for (const room of rooms) {
    for (const id of adapter.rooms.get(room) ?? []) {
      const connection = (sockets.get(id)?.data as { connection?: LocalConnection } | undefined)?.connection;
      if (connection) yield { userId: connection.userId, connectionId: connection.id };
    }
  }
}

/** One live socket of a user at this gateway. */
export class LocalConnection {
  readonly id = newId();
  readonly openedAt = Date.now();
  /** When the client's last heartbeat came, in milliseconds. Opening counts as one. */
  lastHeartbeatAt = Date.now();
  /** The state that the client last asked for. */
  state: Exclude<PresenceState, 'offline'> | undefined;
  /** The users whose presence this connection watches, with the last state sent to it. */
  readonly watched = new Map<string, PresenceState>();
  readonly backpressure: SocketBackpressure;
  private readonly maxPendingCalls: number;
  /** For each call that waits for its answer: the function that gives it up. */
  private readonly pendingCalls = new Set<() => void>();
  private closing = false;
  private whenIdle: (() => void) | undefined;
  private lastTurn: Promise<unknown> = Promise.resolve();
  /** Resolves when opening has ended, well or not. */
  opened: Promise<void> = Promise.resolve();
  /** Whether {@link opened} has resolved. */
  hasOpened = false;

  constructor(
    readonly socket: Socket,
    /** Its `kind` changes when a guest becomes a person. */
    public session: Session,
    readonly address: string,
    rateScale: number,
    onTooSlow: () => void,
  ) {
    this.backpressure = new SocketBackpressure(socket, onTooSlow);
    this.maxPendingCalls = MAX_PENDING_CALLS * Math.max(1, rateScale);
  }

  get userId(): string {
    return this.session.userId;
  }

  /** Holds calls back until `opening` ends; it must not reject. */
  holdCallsUntil(opening: Promise<void>): Promise<void> {
    this.opened = opening.then(() => void (this.hasOpened = true));
    return this.inTurn(this.opened);
  }

  /**
   * Counts a call as pending. The caller calls the result once the answer is sent; `giveUp` is called when the
   * connection closes before that.
   */
  startCall(giveUp: () => void): () => void {
    this.pendingCalls.add(giveUp);
    return () => {
      if (this.pendingCalls.delete(giveUp) && this.pendingCalls.size === 0) this.whenIdle?.();
    };
  }

  /**
   * Throws `rate_limited` when too many calls of the client are pending, and `unavailable` once the connection is closing.
   */
  admitCall(): void {
    if (this.closing) throw new ChatError('unavailable', 'this connection is about to close; connect again');
    if (this.pendingCalls.size > this.maxPendingCalls)
      throw new ChatError('rate_limited', 'too many calls wait for their answer', { retryAfterMs: 1000 });
  }

  /**
   * Closes the transport so that the client reconnects. Takes no more calls and first waits for the answers of pending
   * ones, at most `callTimeoutMs`; later ones are answered `unavailable`. Resolves when the transport is closed and
   * everything written is on its way, or `CLOSE_TIMEOUT_MS` later.
   */
  async closeTransport(callTimeoutMs: number): Promise<void> {
    this.closing = true;
    await this.idle(callTimeoutMs);
    for (const giveUp of this.pendingCalls) giveUp();
    await this.idle(CLOSE_TIMEOUT_MS);
    if (!this.socket.connected) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
      this.socket.once('disconnect', () => (clearTimeout(timer), resolve()));
      this.socket.conn.close();
    });
  }

  /** Resolves when no call is pending, and in any case after `timeoutMs`. */
  private async idle(timeoutMs: number): Promise<void> {
    if (this.pendingCalls.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.whenIdle = () => (clearTimeout(timer), resolve());
    });
  }

  /**
   * Resolves when `step` and the steps of all earlier calls are done: calls continue in the order in which they came,
   * however long each one's step takes. Rejects when `step` does; that holds up no other call.
   */
  inTurn(step: Promise<unknown>): Promise<void> {
    const turn = Promise.all([this.lastTurn, step]).then(nothing);
    // Drops the results, because each would keep the one before it in memory.
    this.lastTurn = Promise.allSettled([this.lastTurn, step]).then(nothing);
    return turn;
  }
}

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
 * Bounds the unsent data of one client. A client that reads too slowly is disconnected; it reconnects and syncs.
 * Counting written bytes costs an addition per packet; the unsent data is measured only when the count passes the
 * limit.
 */
class SocketBackpressure {
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

import { ChatError, newId, type PresenceState } from '@parley/contracts';
import type { Socket } from 'socket.io';
import type { Client, Session } from '../calls/client.js';
import { callRate, PENDING_CALLS, TokenBucket } from '../calls/limits.js';
import { Outgoing } from './socket-backpressure.js';

const nothing = () => undefined;
/** The longest that a closing transport may take to send what was written. */
const CLOSE_MS = 2_000;

/** One live socket of a user at this gateway. */
export class LocalConnection implements Client {
  readonly id = newId();
  readonly since = Date.now();
  /** When a heartbeat of the client last came, in milliseconds; opening counts as one. */
  beatAt = Date.now();
  /** The state that the client last asked for. */
  state: Exclude<PresenceState, 'offline'> | undefined;
  /** Whose presence this connection hears of, and what it last heard. */
  readonly watches = new Map<string, PresenceState>();
  readonly outgoing: Outgoing;
  private readonly bucket: TokenBucket;
  private readonly mostPending: number;
  /** Calls that wait for their answer: what gives each one up. */
  private readonly pending = new Set<() => void>();
  private leaving = false;
  private whenIdle: (() => void) | undefined;
  private turn: Promise<unknown> = Promise.resolve();
  /** Resolves when opening it has ended, well or not. */
  opened: Promise<void> = Promise.resolve();
  /** Whether it has. */
  settled = false;

  constructor(
    readonly socket: Socket,
    readonly session: Session,
    readonly address: string,
    scale: number,
    onCut: () => void,
  ) {
    this.outgoing = new Outgoing(socket, onCut);
    this.bucket = new TokenBucket(callRate.perSecond * scale, callRate.burst * scale);
    this.mostPending = PENDING_CALLS * Math.max(1, scale);
  }

  get userId(): string {
    return this.session.userId;
  }

  get connection(): this {
    return this;
  }

  /** Holds calls back until `opening` ends; it must not reject. */
  opening(opening: Promise<void>): Promise<void> {
    this.opened = opening.then(() => void (this.settled = true));
    return this.inTurn(this.opened);
  }

  /** Counts a call in. The answer counts it out, after the call's own answer was sent; `giveUp` is called when the connection cannot wait for that. */
  begin(giveUp: () => void): () => void {
    this.pending.add(giveUp);
    return () => {
      if (this.pending.delete(giveUp) && this.pending.size === 0) this.whenIdle?.();
    };
  }

  /** Throws `rate_limited` when the client makes too many calls, or has too many waiting; `unavailable` once it is about to be sent elsewhere. */
  admit(): void {
    if (this.leaving) throw new ChatError('unavailable', 'this connection is about to close; connect again');
    if (this.pending.size > this.mostPending)
      throw new ChatError('rate_limited', 'too many calls wait for their answer', { retryAfterMs: 1000 });
    this.bucket.take();
  }

  /**
   * Ends the connection so that its client connects anew: takes no more calls, waits for the answers of those under way (at most `patienceMs`, then they are `unavailable`), and
   * closes the transport. Resolves when it is closed, with all that was written on its way, or `CLOSE_MS` later.
   */
  async leave(patienceMs: number): Promise<void> {
    this.leaving = true;
    await this.idle(patienceMs);
    for (const giveUp of this.pending) giveUp();
    await this.idle(CLOSE_MS);
    if (!this.socket.connected) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, CLOSE_MS);
      this.socket.once('disconnect', () => (clearTimeout(timer), resolve()));
      this.socket.conn.close();
    });
  }

  /** Resolves when no call waits for its answer, and in any case after `timeoutMs`. */
  private async idle(timeoutMs: number): Promise<void> {
    if (this.pending.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.whenIdle = () => (clearTimeout(timer), resolve());
    });
  }

  /**
   * Resolves when `step` and the steps of all earlier calls are done, so that calls go on in the order in which they came, however long
   * each one's step takes. Rejects when `step` does; that holds up nobody.
   */
  inTurn(step: Promise<unknown>): Promise<void> {
    const turn = Promise.all([this.turn, step]).then(nothing);
    // Without the results: each would hold the one before it, for ever.
    this.turn = Promise.allSettled([this.turn, step]).then(nothing);
    return turn;
  }
}

import { ParleyError } from '../errors.js';
import type { RequestOptions } from '../connection/http.js';
import type { Server } from '../replica/replica.js';
import type { SocketCall, SocketInput, SocketOutput } from '../types.js';
import type { ModelServer } from './model-server.js';

/** Events without `rev` are lost only when the connection ends, because no gap would show the loss. */
const withoutRevision = new Set(['receipt:updated', 'unread:changed', 'conversation:new', 'conversation:removed']);

/** A source of numbers between 0 and 1, the same for the same seed. */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * The network between a replica and the model: loses, delays, reorders and repeats packets in both directions, until it
 * is healed.
 */
export class Network implements Server {
  server!: ModelServer;
  /** Receives live events. */
  onEvent: (event: string, payload: unknown) => void = () => undefined;
  private connection = 0;
  private isUp = false;
  private isHealed = false;
  private lastUnreadAt = 0;
  private readonly pending = new Set<() => void>();

  constructor(private readonly random: () => number) {}

  online(): boolean {
    return this.isUp;
  }

  now(): number {
    return Date.now();
  }

  connect(): void {
    this.isUp = true;
    this.connection++;
  }

  /** Loses packets to the client. Packets to the server arrive. */
  disconnect(): void {
    this.isUp = false;
    this.connection++;
    const failing = [...this.pending];
    this.pending.clear();
    for (const fail of failing) fail();
  }

  heal(): void {
    this.isHealed = true;
  }

  /** A live event, from the server. */
  emit(event: string, payload: unknown): void {
    const copy = structuredClone(payload);
    const { connection } = this;
    const deliver = () => this.isUp && connection === this.connection && this.onEvent(event, structuredClone(copy));
    if (this.isHealed) return void queueMicrotask(deliver);
    if (!withoutRevision.has(event) && this.random() < 0.15) return;
    if (event === 'unread:changed') {
      // Delivered in order and once, because it carries no `rev`.
      this.lastUnreadAt = Math.max(this.lastUnreadAt, Date.now() + this.delay());
      return void setTimeout(deliver, this.lastUnreadAt - Date.now());
    }
    setTimeout(deliver, this.delay());
    if (this.random() < 0.15) setTimeout(deliver, this.delay());
  }

  call<E extends SocketCall>(event: E, payload: SocketInput<E>): Promise<SocketOutput<E>> {
    if (!this.isUp) return Promise.reject(new ParleyError('unavailable', 'offline'));
    return this.exchange(() => this.server.call(event, structuredClone(payload))) as Promise<SocketOutput<E>>;
  }

  request<T>(_method: string, path: string, { query = {}, body }: RequestOptions = {}): Promise<T> {
    return this.exchange(() =>
      this.server.request(path, query, body as { unreadFrom: number } | undefined),
    ) as Promise<T>;
  }

  private exchange(work: () => unknown): Promise<unknown> {
    const isRequestLost = !this.isHealed && this.random() < 0.08;
    const isAnswerLost = !this.isHealed && this.random() < 0.08;
    const isBusy = !this.isHealed && this.random() < 0.08;
    return new Promise((resolve, reject) => {
      const fail = () => reject(new ParleyError('unavailable', 'no answer'));
      const end = (settle: () => void) => () => {
        this.pending.delete(fail);
        settle();
      };
      this.pending.add(fail);
      if (isRequestLost) return void setTimeout(end(fail), 2_000);
      setTimeout(() => {
        let settle: () => void;
        try {
          if (isBusy) throw new ParleyError('rate_limited', 'busy', { retryAfterMs: 300 });
          const answer = work();
          settle = () => resolve(answer);
        } catch (error) {
          settle = () => reject(error as Error);
        }
        setTimeout(end(isAnswerLost ? fail : settle), isAnswerLost ? 2_000 : this.delay());
      }, this.delay());
    });
  }

  private delay(): number {
    return this.isHealed ? 1 : Math.floor(this.random() ** 3 * 400);
  }
}

import { ParleyError } from '../errors.js';
import type { RequestOptions } from '../connection/http.js';
import type { Server } from '../replica/replica.js';
import type { SocketCall, SocketInput, SocketOutput } from '../types.js';
import type { ModelServer } from './model-server.js';

/**
 * What nothing numbers is lost with its connection only: nothing but a connection's end tells a client that it has to
 * ask.
 */
const unnumbered = new Set(['receipt:updated', 'unread:changed', 'conversation:new', 'conversation:removed']);

/** Numbers between 0 and 1, the same for the same seed. */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Between a replica and the model: loses, delays, reorders and repeats what goes either way, until it is `healed`. */
export class Network implements Server {
  server!: ModelServer;
  /** Receives live events. */
  onEvent: (event: string, payload: unknown) => void = () => undefined;
  private connection = 0;
  private up = false;
  private healed = false;
  private lastWord = 0;
  private readonly cut = new Set<() => void>();

  constructor(private readonly random: () => number) {}

  online(): boolean {
    return this.up;
  }

  connect(): void {
    this.up = true;
    this.connection++;
  }

  /** What is on its way to the client is lost. What is on its way to the server arrives. */
  disconnect(): void {
    this.up = false;
    this.connection++;
    const waiting = [...this.cut];
    this.cut.clear();
    for (const cut of waiting) cut();
  }

  heal(): void {
    this.healed = true;
  }

  /** A live event, from the server. */
  emit(event: string, payload: unknown): void {
    const copy = structuredClone(payload);
    const { connection } = this;
    const deliver = () => this.up && connection === this.connection && this.onEvent(event, structuredClone(copy));
    if (this.healed) return void queueMicrotask(deliver);
    if (!unnumbered.has(event) && this.random() < 0.15) return;
    if (event === 'unread:changed') {
      // The last word counts, and nothing tells which that is: they come in order, once.
      this.lastWord = Math.max(this.lastWord, Date.now() + this.delay());
      return void setTimeout(deliver, this.lastWord - Date.now());
    }
    setTimeout(deliver, this.delay());
    if (this.random() < 0.15) setTimeout(deliver, this.delay());
  }

  call<E extends SocketCall>(event: E, payload: SocketInput<E>): Promise<SocketOutput<E>> {
    if (!this.up) return Promise.reject(new ParleyError('unavailable', 'offline'));
    return this.exchange(() => this.server.call(event, structuredClone(payload))) as Promise<SocketOutput<E>>;
  }

  request<T>(_method: string, path: string, { query = {} }: RequestOptions = {}): Promise<T> {
    return this.exchange(() => this.server.request(path, query)) as Promise<T>;
  }

  private exchange(work: () => unknown): Promise<unknown> {
    const lostRequest = !this.healed && this.random() < 0.08;
    const lostAnswer = !this.healed && this.random() < 0.08;
    const busy = !this.healed && this.random() < 0.08;
    return new Promise((resolve, reject) => {
      const fail = () => reject(new ParleyError('unavailable', 'no answer'));
      const end = (settle: () => void) => () => {
        this.cut.delete(fail);
        settle();
      };
      this.cut.add(fail);
      if (lostRequest) return void setTimeout(end(fail), 2_000);
      setTimeout(() => {
        let settle: () => void;
        try {
          if (busy) throw new ParleyError('rate_limited', 'busy', { retryAfterMs: 300 });
          const answer = work();
          settle = () => resolve(answer);
        } catch (error) {
          settle = () => reject(error as Error);
        }
        setTimeout(end(lostAnswer ? fail : settle), lostAnswer ? 2_000 : this.delay());
      }, this.delay());
    });
  }

  private delay(): number {
    return this.healed ? 1 : Math.floor(this.random() ** 3 * 400);
  }
}

/** Work that waits, each piece until its deadline. */
import { randomBytes } from 'node:crypto';
import { ChatError } from '@parley/contracts';
import type { Answer } from './delivery/inbound-message.js';

/**
 * A set whose items expire at their deadline, with one timer for all items. The timer runs every `everyMs`
 * milliseconds, so an item may expire that much late.
 */
export class ExpiringSet<T extends { readonly deadline: number }> {
  private readonly items = new Set<T>();
  private timer: NodeJS.Timeout | undefined;

  /** @param onExpired Called with each item that expires, after its removal. */
  constructor(
    private readonly onExpired: (item: T) => void,
    private readonly everyMs = 50,
  ) {}

  get size(): number {
    return this.items.size;
  }
  add(item: T): void {
    this.items.add(item);
    this.timer ??= setInterval(() => this.expire(), this.everyMs);
  }
  delete(item: T): boolean {
    return this.items.delete(item);
  }
  /** A copy, in the order in which the items were added. */
  values(): readonly T[] {
    return [...this.items];
  }

  private expire(): void {
    const now = Date.now();
    for (const item of this.items) {
      if (item.deadline > now) continue;
      this.items.delete(item);
      this.onExpired(item);
    }
    if (this.items.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }
}

interface PendingRequest {
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly deadline: number;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: ChatError) => void;
}

/** The answer to a request that cannot be answered. `why` becomes the text of its error. */
export const unavailable = (why: string): Answer => ({ error: new ChatError('unavailable', why).toBody() });

/** The pending requests of this process. Each settles once, and at its deadline with `unavailable`. */
export class PendingRequests {
  private readonly pending = new Map<string, PendingRequest>();
  private readonly deadlines = new ExpiringSet<PendingRequest>(({ id }) =>
    this.settle(id, unavailable('no answer in time')),
  );
  private count = 0;
  /** Makes ids unique across processes, so that an answer to another process matches none of these. */
  private readonly nonce = randomBytes(6).toString('base64url');

  get size(): number {
    return this.pending.size;
  }
  has(id: string): boolean {
    return this.pending.has(id);
  }

  /** Returns the id under which the request is to be settled. */
  add(deadline: number, resolve: PendingRequest['resolve'], reject: PendingRequest['reject']): string {
    const request = { id: `${this.nonce}.${(this.count++).toString(36)}`, deadline, resolve, reject };
    this.pending.set(request.id, request);
    this.deadlines.add(request);
    return request.id;
  }

  settle(id: string, answer: Answer): void {
    const request = this.pending.get(id);
    if (!request) return;
    this.pending.delete(id);
    this.deadlines.delete(request);
    if ('ok' in answer) request.resolve(answer.ok);
    else request.reject(ChatError.fromBody(answer.error));
  }

  settleAll(answer: Answer): void {
    for (const id of this.pending.keys()) this.settle(id, answer);
  }
}

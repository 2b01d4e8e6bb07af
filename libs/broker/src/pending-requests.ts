import { randomBytes } from 'node:crypto';
import { ChatError } from '@parley/contracts';
import { without } from '@parley/faults';
import type { Answer } from './delivery/inbound-message.js';
import { Deadlines } from './expiring-set.js';

interface Pending {
  readonly id: string;
  readonly deadline: number;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: ChatError) => void;
}

export const unavailable = (why: string): Answer => ({ error: new ChatError('unavailable', why).toBody() });

/** Requests that wait for their answer: each is settled once, at its deadline with `unavailable`. */
export class Requests {
  private readonly pending = new Map<string, Pending>();
  private readonly deadlines = new Deadlines<Pending>(
    ({ id }) => without('deadlines') || this.settle(id, unavailable('no answer in time')),
  );
  private count = 0;
  /** Nobody else's answer names one of these by chance. */
  private readonly nonce = randomBytes(6).toString('base64url');

  get size(): number {
    return this.pending.size;
  }
  has(id: string): boolean {
    return this.pending.has(id);
  }

  /** Answers the id under which to settle it. */
  add(deadline: number, resolve: Pending['resolve'], reject: Pending['reject']): string {
    const pending = { id: `${this.nonce}.${(this.count++).toString(36)}`, deadline, resolve, reject };
    this.pending.set(pending.id, pending);
    this.deadlines.add(pending);
    return pending.id;
  }

  settle(id: string, answer: Answer): void {
    const pending = this.pending.get(id);
    if (!pending) return;
    this.pending.delete(id);
    this.deadlines.delete(pending);
    if ('ok' in answer) pending.resolve(answer.ok);
    else pending.reject(ChatError.fromBody(answer.error));
  }

  settleAll(answer: Answer): void {
    for (const id of this.pending.keys()) this.settle(id, answer);
  }
}

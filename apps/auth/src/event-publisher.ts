import { setTimeout as pause } from 'node:timers/promises';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { DomainEvent, DomainEventName } from '@parley/contracts';
import { PARTS, type AuthParts } from './parts.js';

/** Events that may wait for the broker at a time. */
const BOUND = 10_000;
const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5000;
/** The longest that a caller waits for its event to be confirmed; it goes out all the same. */
const PATIENCE_MS = 1000;

/**
 * Publishes what was committed, again and again until the broker has it. What a crash, or a broker that is away for 10,000 events, takes with it, gateways learn
 * from `auth.revocations.v1`.
 */
@Injectable()
export class Announcer implements OnApplicationShutdown {
  private readonly pending = new Set<Promise<void>>();
  private readonly stopping = new AbortController();

  constructor(@Inject(PARTS) private readonly parts: AuthParts) {}

  /** Resolves when the event is out, or after a second; never rejects. */
  async announce<N extends DomainEventName>(name: N, event: DomainEvent<N>): Promise<void> {
    if (this.pending.size >= BOUND) {
      this.parts.logger.error({ event: name }, 'too many events wait for the broker; this one is lost');
      return;
    }
    const sending = this.send(name, event);
    this.pending.add(sending);
    void sending.finally(() => this.pending.delete(sending));
    await Promise.race([sending, pause(PATIENCE_MS, undefined, { ref: false })]);
  }

  /** Gives what waits a last chance. */
  async onApplicationShutdown(): Promise<void> {
    const grace = Math.min(this.parts.graceMs ?? LONGEST_WAIT_MS, LONGEST_WAIT_MS);
    await Promise.race([Promise.all(this.pending), pause(grace, undefined, { ref: false })]);
    this.stopping.abort();
  }

  private async send<N extends DomainEventName>(name: N, event: DomainEvent<N>): Promise<void> {
    for (let wait = FIRST_WAIT_MS; !this.stopping.signal.aborted; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
      try {
        return await this.parts.broker.publish(name, event);
      } catch (error) {
        this.parts.logger.warn({ err: error, event: name }, 'an event could not be published; trying again');
        await pause(wait * (0.5 + Math.random()), undefined, { signal: this.stopping.signal }).catch(() => undefined);
      }
    }
  }
}

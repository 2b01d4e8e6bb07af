import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Broker } from '@parley/broker';
import type { DomainEvent, DomainEventName } from '@parley/contracts';
import { endsWithin, Logger } from '@parley/service-kit';
import { AuthSettings } from './settings.js';

/** Events that may wait for the broker at a time. */
const MAX_PENDING = 10_000;
const MIN_RETRY_MS = 100;
const MAX_RETRY_MS = 5_000;
/** The longest that a caller waits for the confirmation of its event. */
const CONFIRM_TIMEOUT_MS = 1_000;
const MAX_SHUTDOWN_MS = 5_000;

/**
 * Publishes events of committed changes, and retries until the broker has them. Events that a crash loses, or that
 * exceed {@link MAX_PENDING} while the broker is unavailable, reach the gateways through `auth.revocations.v1`.
 */
@Injectable()
export class AccountEvents implements OnApplicationShutdown {
  private readonly pending = new Set<Promise<void>>();
  private readonly stopping = new AbortController();

  constructor(
    private readonly broker: Broker,
    private readonly settings: AuthSettings,
    private readonly logger: Logger,
  ) {}

  /** Resolves when the event is confirmed, or after a second; it is still published then. Never rejects. */
  async publish<N extends DomainEventName>(name: N, event: DomainEvent<N>): Promise<void> {
    if (this.pending.size >= MAX_PENDING) {
      this.logger.error({ event: name }, 'too many events wait for the broker; this one is lost');
      return;
    }
    const publishing = this.publishWithRetries(name, event);
    this.pending.add(publishing);
    void publishing.finally(() => this.pending.delete(publishing));
    await endsWithin(CONFIRM_TIMEOUT_MS, publishing);
  }

  /** Gives waiting events a last chance. */
  async onApplicationShutdown(): Promise<void> {
    await endsWithin(Math.min(this.settings.graceMs, MAX_SHUTDOWN_MS), Promise.all(this.pending));
    this.stopping.abort();
  }

  private async publishWithRetries<N extends DomainEventName>(name: N, event: DomainEvent<N>): Promise<void> {
    for (let retryMs = MIN_RETRY_MS; !this.stopping.signal.aborted; retryMs = Math.min(retryMs * 2, MAX_RETRY_MS)) {
      try {
        return await this.broker.publish(name, event);
      } catch (error) {
        this.logger.warn({ err: error, event: name }, 'an event could not be published; it is tried again');
        const { signal } = this.stopping;
        await sleep(retryMs * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined);
      }
    }
  }
}

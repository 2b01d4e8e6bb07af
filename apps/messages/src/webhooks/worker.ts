import { setTimeout as pause } from 'node:timers/promises';
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { endsWithin, Logger, Unavailable } from '@parley/service-kit';
import { Settings } from '../config.js';
import { CircuitBreaker } from './circuit-breaker.js';
import { Deliveries, MAX_PARALLEL, type DueDelivery, type UsedSlots } from './deliveries.js';
import { anyAddresses, post, publicAddresses, sign, type AttemptResult } from './post.js';
import { WebhookSecrets } from './secrets.js';

const SWEEP_EVERY_MS = 3_600_000;
/** Maximum time that a stop waits for attempts under way; then they are aborted. */
const GRACE_MS = 3_000;

/** Attempts due deliveries. Runs in every replica. */
@Injectable()
export class WebhookWorker implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly stopping = new AbortController();
  private readonly aborting = new AbortController();
  private readonly attempts = new Map<Promise<void>, DueDelivery>();
  private readonly breaker: CircuitBreaker;
  private wake = Promise.withResolvers<void>();
  private sweptAt = Date.now();
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly deliveries: Deliveries,
    private readonly secrets: WebhookSecrets,
    private readonly settings: Settings,
    private readonly logger: Logger,
  ) {
    this.breaker = new CircuitBreaker(settings.webhooks.probeMs);
  }

  onApplicationBootstrap(): void {
    this.deliveries.onAdded = () => this.wake.resolve();
    this.running = this.run();
  }

  async onModuleDestroy(): Promise<void> {
    this.stopping.abort();
    await this.running;
    await endsWithin(GRACE_MS, Promise.all(this.attempts.keys()));
    this.aborting.abort();
    await Promise.all(this.attempts.keys());
  }

  /** Begins attempts when deliveries are added, when an attempt ends, and every `pollMs`. */
  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      this.wake = Promise.withResolvers();
      try {
        await this.beginAttempts();
        await this.sweep();
      } catch (error) {
        if (error instanceof Unavailable) this.logger.debug({ err: error }, 'webhooks wait for the database');
        else this.logger.error({ err: error }, 'the queue of webhook deliveries could not be read');
      }
      const awake = new AbortController();
      const poll = pause(this.settings.webhooks.pollMs, undefined, {
        ref: false,
        signal: AbortSignal.any([signal, awake.signal]),
      }).catch(() => undefined);
      await Promise.race([this.wake.promise, poll]);
      awake.abort();
    }
  }

  /** Takes deliveries until none may be attempted beside those under way. */
  private async beginAttempts(): Promise<void> {
    for (let free = this.free; free > 0; free = this.free) {
      const deliveries = await this.deliveries.take(free, this.usedSlots());
      if (deliveries.length === 0) return;
      for (const delivery of deliveries) {
        const attempt: Promise<void> = this.attempt(delivery).finally(() => {
          this.attempts.delete(attempt);
          this.wake.resolve();
        });
        this.attempts.set(attempt, delivery);
      }
    }
  }

  private get free(): number {
    return this.stopping.signal.aborted ? 0 : MAX_PARALLEL.all - this.attempts.size;
  }

  private usedSlots(): UsedSlots {
    const used = { webhook: this.breaker.withheld(MAX_PARALLEL.webhook), owner: new Map(), host: new Map() };
    for (const { webhook_id, owner, host } of this.attempts.values()) {
      increment(used.webhook, webhook_id);
      increment(used.owner, owner);
      increment(used.host, host);
    }
    return used;
  }

  /** Never rejects: an attempt whose result cannot be recorded is due again later. */
  private async attempt(delivery: DueDelivery): Promise<void> {
    try {
      const result = await this.post(delivery);
      if (result.problem !== undefined && this.aborting.signal.aborted) return await this.deliveries.putBack(delivery);
      if (result.problem === undefined) this.breaker.succeeded(delivery.webhook_id);
      else this.breaker.failed(delivery.webhook_id);
      const switchedOff = await this.deliveries.record(delivery, result);
      if (switchedOff)
        this.logger.warn({ webhookId: delivery.webhook_id }, 'a webhook was switched off after too many failures');
    } catch (error) {
      this.logger.warn(
        { err: error, webhookId: delivery.webhook_id },
        'the result of a webhook delivery could not be recorded; the delivery is attempted again',
      );
    }
  }

  private async post(delivery: DueDelivery): Promise<AttemptResult> {
    const { allowPrivate, timeoutMs } = this.settings.webhooks;
    if (!allowPrivate && !delivery.url.startsWith('https:')) return { problem: 'only https is allowed' };
    const body = JSON.stringify({
      id: delivery.id,
      event: delivery.event,
      createdAt: delivery.created_at.toISOString(),
      data: delivery.payload,
    });
    return post(
      delivery.url,
      headersOf(delivery, this.secrets.decrypt(delivery.secret, delivery.webhook_id), body),
      body,
      {
        resolve: allowPrivate ? anyAddresses : publicAddresses(),
        signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), this.aborting.signal]),
      },
    );
  }

  private async sweep(): Promise<void> {
    if (Date.now() - this.sweptAt < SWEEP_EVERY_MS) return;
    // Sweeps again in the next round until nothing is left.
    if ((await this.deliveries.sweep()) === 0) this.sweptAt = Date.now();
  }
}

const increment = (counts: Map<string, number>, key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1);

function headersOf({ id, event }: DueDelivery, secret: string, body: string): Record<string, string> {
  const timestamp = String(Math.floor(Date.now() / 1000));
  return {
    'content-type': 'application/json',
    'user-agent': 'Parley-Webhooks/1',
    'parley-event': event,
    'parley-delivery': id,
    'parley-timestamp': timestamp,
    'parley-signature': sign(secret, timestamp, body),
  };
}

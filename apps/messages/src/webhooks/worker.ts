import { setTimeout as pause } from 'node:timers/promises';
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Logger, Unavailable } from '@parley/service-kit';
import { Settings } from '../config.js';
import { Deliveries, MOST_EACH, type Due } from './deliveries.js';
import { anyAddresses, post, publicAddresses, sign } from './post.js';

/** Attempts that one process makes at a time. */
const AT_ONCE = 16;
const SWEEP_MS = 3_600_000;
/** The longest that a stop waits for attempts under way. */
const GRACE_MS = 3_000;

/** Sends what is due. Every replica has one. */
@Injectable()
export class WebhookWorker implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly stopping = new AbortController();
  private readonly aborting = new AbortController();
  /** Attempts under way, by webhook. */
  private readonly busy = new Map<string, number>();
  private readonly attempts = new Set<Promise<void>>();
  private wake = Promise.withResolvers<void>();
  private sweptAt = Date.now();
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly deliveries: Deliveries,
    private readonly settings: Settings,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.deliveries.onAdded = () => this.wake.resolve();
    this.running = this.run();
  }

  async onModuleDestroy(): Promise<void> {
    this.stopping.abort();
    await this.running;
    await Promise.race([Promise.all(this.attempts), pause(GRACE_MS, undefined, { ref: false })]);
    this.aborting.abort();
    await Promise.all(this.attempts);
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      this.wake = Promise.withResolvers();
      try {
        await this.begin();
        await this.sweep();
      } catch (error) {
        if (error instanceof Unavailable) this.logger.debug({ err: error }, 'webhooks have to wait');
        else this.logger.error({ err: error }, 'the queue of webhooks could not be read');
      }
      const rest = new AbortController();
      await Promise.race([
        this.wake.promise,
        pause(this.settings.webhooks.pollMs, undefined, {
          ref: false,
          signal: AbortSignal.any([signal, rest.signal]),
        }).catch(() => undefined),
      ]);
      rest.abort();
    }
  }

  private async begin(): Promise<void> {
    const free = AT_ONCE - this.attempts.size;
    if (free === 0) return;
    const full = [...this.busy].filter(([, count]) => count >= MOST_EACH).map(([id]) => id);
    for (const due of await this.deliveries.take(free, full)) {
      const attempt = this.attempt(due).finally(() => {
        this.attempts.delete(attempt);
        this.count(due.webhook_id, -1);
        this.wake.resolve();
      });
      this.count(due.webhook_id, 1);
      this.attempts.add(attempt);
    }
  }

  private count(webhookId: string, by: 1 | -1): void {
    const count = (this.busy.get(webhookId) ?? 0) + by;
    if (count === 0) this.busy.delete(webhookId);
    else this.busy.set(webhookId, count);
  }

  /** Never rejects: what could not be recorded is due again later. */
  private async attempt(due: Due): Promise<void> {
    const { allowPrivate, timeoutMs } = this.settings.webhooks;
    try {
      const body = JSON.stringify({
        id: due.id,
        event: due.event,
        createdAt: due.created_at.toISOString(),
        data: due.payload,
      });
      const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), this.aborting.signal]);
      const allowed = allowPrivate || due.url.startsWith('https:');
      const outcome = allowed
        ? await post(due.url, headersOf(due, body), body, {
            resolve: allowPrivate ? anyAddresses : publicAddresses(),
            signal,
          })
        : { problem: 'only https is allowed' };
      if (outcome.problem !== undefined && this.aborting.signal.aborted) return await this.deliveries.giveBack(due);
      const off = await this.deliveries.settle(due, outcome);
      if (off)
        this.logger.warn(
          { webhookId: due.webhook_id },
          'a webhook was switched off, because too much could not be delivered',
        );
    } catch (error) {
      this.logger.warn(
        { err: error, webhookId: due.webhook_id },
        'the outcome of a webhook’s delivery could not be recorded; it is made again',
      );
    }
  }

  private async sweep(): Promise<void> {
    if (Date.now() - this.sweptAt < SWEEP_MS) return;
    // Goes on at once while there is more.
    if ((await this.deliveries.sweep()) === 0) this.sweptAt = Date.now();
  }
}

function headersOf({ id, event, secret }: Due, body: string): Record<string, string> {
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

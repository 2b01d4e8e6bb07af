import { sql, type SqlEntityManager } from '@mikro-orm/postgresql';
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Broker } from '@parley/broker';
import { Logger, RecurringTask } from '@parley/service-kit';
import { Database, WebhookPurgeEntity } from '@parley/store';
import { AuthSettings } from '../settings.js';

/** The longest that gateways accept tokens of an ended session: webhooks that it made until then are deleted too. */
const REVOCATION_MS = 5_000;
const MAX_PURGES = 100;
const FIRST_TRY_TIMEOUT_MS = 2_000;

/**
 * Deletes the webhooks of users who ended them by a change of password. Webhooks belong to the messages service, so
 * each purge is recorded with the change, and repeated until messages has answered. It runs once at once, and once more
 * when the ended sessions are refused everywhere, because one of them may have made a webhook meanwhile.
 */
@Injectable()
export class WebhookPurges implements OnApplicationBootstrap, OnModuleDestroy {
  private task: RecurringTask | undefined;

  constructor(
    private readonly database: Database,
    private readonly broker: Broker,
    private readonly settings: AuthSettings,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.task = new RecurringTask({
      name: 'delete webhooks after changes of passwords',
      logger: this.logger,
      everyMs: this.settings.sweepMs,
      jitter: 0.25,
      run: () => this.run(),
    });
  }

  async onModuleDestroy(): Promise<void> {
    await this.task?.stop();
  }

  /** Records a purge within a transaction that has locked a row of the user. */
  async request(em: SqlEntityManager, userId: string): Promise<void> {
    await em.nativeDelete(WebhookPurgeEntity, { userId });
    await em.insert(WebhookPurgeEntity, { userId, requestedAt: sql<Date>`now()` });
  }

  /** Deletes the webhooks that exist now. Never rejects: the recorded purge follows in any case. */
  async tryNow(userId: string): Promise<void> {
    try {
      await this.broker.request('webhook.purge.v1', { userId }, { deadlineMs: FIRST_TRY_TIMEOUT_MS });
    } catch (error) {
      this.logger.warn({ err: error, userId }, 'webhooks could not be deleted yet; it is tried again');
    }
  }

  private async run(): Promise<void> {
    const due = await this.database.entities((em) =>
      em.find(
        WebhookPurgeEntity,
        { requestedAt: { $lt: sql<Date>`now() - ${REVOCATION_MS} * interval '1 millisecond'` } },
        { limit: MAX_PURGES, orderBy: { requestedAt: 'asc' } },
      ),
    );
    for (const { userId, requestedAt } of due) {
      const before = new Date(requestedAt.getTime() + REVOCATION_MS).toISOString();
      await this.broker.request('webhook.purge.v1', { userId, before });
      // A later purge of the same user stays.
      await this.database.entities((em) => em.nativeDelete(WebhookPurgeEntity, { userId, requestedAt }));
    }
  }
}

import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Broker } from '@parley/broker';
import { Logger, RecurringTask } from '@parley/service-kit';
import { Database } from '@parley/store';
import { findExpiredBans } from './sql.js';

const CHECK_EVERY_MS = 1000;
/** Maximum number of bans that one check lifts. */
const MAX_LIFTED = 100;

/**
 * Finds expired bans and sends a command to lift each to its conversation's shard, in order with all other commands.
 * Access already depends on the clock, so this only updates `member_count` and informs the members. Runs in every
 * replica; a ban is lifted once.
 */
@Injectable()
export class ExpiredBans implements OnApplicationBootstrap, OnModuleDestroy {
  private task: RecurringTask | undefined;

  constructor(
    private readonly database: Database,
    private readonly broker: Broker,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.task = new RecurringTask({
      name: 'lift expired bans',
      logger: this.logger,
      everyMs: CHECK_EVERY_MS,
      run: () => this.lift(),
    });
  }

  async onModuleDestroy(): Promise<void> {
    await this.task?.stop();
  }

  private async lift(): Promise<void> {
    const expired = await findExpiredBans(this.database, MAX_LIFTED);
    await Promise.all(
      expired.map(({ conversation_id: conversationId, user_id: userId }) =>
        this.broker.request('member.return.v1', { conversationId, userId }, { deadlineMs: CHECK_EVERY_MS }),
      ),
    );
  }
}

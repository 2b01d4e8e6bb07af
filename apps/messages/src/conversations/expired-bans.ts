import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { ChatError } from '@parley/contracts';
import { Unavailable, type Logger } from '@parley/service-kit';
import { Commands } from '../commands/runner.js';
import { overdueBans } from './member-sql.js';
import { LOGGER } from '../tokens.js';

const EVERY_MS = 1000;
const AT_ONCE = 100;

/**
 * Looks every second for bans whose time is over, and has them lifted by their conversations' shards, in order with everything else there. Whether somebody is banned is decided by the clock, so
 * this is only about the count of members, and about telling. Every replica has one; a ban is lifted once.
 */
@Injectable()
export class Bans implements OnApplicationBootstrap, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;
  private round: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(
    @Inject(Commands) private readonly commands: Commands,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.next();
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.round;
  }

  private next(): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      this.round = this.lift().finally(() => this.next());
    }, EVERY_MS);
    this.timer.unref();
  }

  private async lift(): Promise<void> {
    try {
      const overdue = await overdueBans(this.commands.database, AT_ONCE);
      await Promise.all(
        overdue.map(({ conversation_id, user_id }) =>
          this.commands.broker.request(
            'member.return.v1',
            { conversationId: conversation_id, userId: user_id },
            { deadlineMs: EVERY_MS },
          ),
        ),
      );
    } catch (error) {
      const away = error instanceof Unavailable || (error instanceof ChatError && error.code === 'unavailable');
      if (away) this.logger.warn({ err: error }, 'lifting bans has to wait');
      else this.logger.error({ err: error }, 'lifting bans failed');
    }
  }
}

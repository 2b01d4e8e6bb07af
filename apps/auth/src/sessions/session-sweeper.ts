import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Logger, RecurringTask } from '@parley/service-kit';
import { AuthSettings } from '../settings.js';
import { Sessions } from './sessions.js';

/** Maximum number of steps of one sweep, so that it ends. */
const MAX_STEPS = 20;

/** Ends expired sessions and deletes old rows at intervals. Every replica has a sweeper; they skip each other's rows. */
@Injectable()
export class SessionSweeper implements OnApplicationBootstrap, OnModuleDestroy {
  private task: RecurringTask | undefined;

  constructor(
    private readonly settings: AuthSettings,
    private readonly sessions: Sessions,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.task = new RecurringTask({
      name: 'sweep sessions',
      logger: this.logger,
      everyMs: this.settings.sweepMs,
      jitter: 0.25,
      run: (signal) => this.sweep(signal),
    });
  }

  async onModuleDestroy(): Promise<void> {
    await this.task?.stop();
  }

  private async sweep(signal: AbortSignal): Promise<void> {
    for (let step = 0; step < MAX_STEPS && !signal.aborted; step++) {
      const swept = (await this.sessions.endExpired()) + (await this.sessions.deleteOld());
      if (swept === 0) return;
    }
  }
}

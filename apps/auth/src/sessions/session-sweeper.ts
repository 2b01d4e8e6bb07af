import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { RecurringTask } from '@parley/service-kit';
import { PARTS, SETTINGS, type AuthParts, type Settings } from '../parts.js';
import { Passwords } from '../accounts/passwords.js';
import { Sessions } from './sessions.js';
import { SigningKeys } from './signing-keys.js';

/** The most steps of one sweep, so that it ends. */
const MAX_STEPS = 20;

/** Ends expired sessions and removes old rows, now and then; makes the first signing key at start. Every replica has one; they do not get in each other's way. */
@Injectable()
export class Sweeper implements OnApplicationBootstrap, OnModuleDestroy {
  private task: RecurringTask | undefined;

  constructor(
    @Inject(PARTS) private readonly parts: AuthParts,
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(Sessions) private readonly sessions: Sessions,
    @Inject(SigningKeys) private readonly keys: SigningKeys,
    @Inject(Passwords) private readonly passwords: Passwords,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.keys.published();
    await this.passwords.prepare();
    this.task = new RecurringTask({
      name: 'sweep sessions',
      logger: this.parts.logger,
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
      const taken = (await this.sessions.endExpired()) + (await this.sessions.forgetOld());
      if (taken === 0) return;
    }
  }
}

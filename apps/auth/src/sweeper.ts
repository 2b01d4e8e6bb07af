import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Unavailable } from '@parley/service-kit';
import { PARTS, SETTINGS, type AuthParts, type Settings } from './parts.js';
import { Passwords } from './passwords.js';
import { Sessions } from './sessions.js';
import { SigningKeys } from './signing-keys.js';

/** Steps of one round at most, so that a round ends. */
const STEPS = 20;

/** Ends expired sessions and removes old rows, now and then; makes the first signing key at start. Every replica has one; they don't get in each other's way. */
@Injectable()
export class Sweeper implements OnApplicationBootstrap, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;
  private round: Promise<void> = Promise.resolve();
  private stopped = false;

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
    this.next();
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.round;
  }

  private next(): void {
    if (this.stopped) return;
    this.timer = setTimeout(
      () => {
        this.round = this.sweep().finally(() => this.next());
      },
      this.settings.sweepMs * (0.75 + Math.random() / 2),
    );
    this.timer.unref();
  }

  private async sweep(): Promise<void> {
    try {
      for (let step = 0; step < STEPS && !this.stopped; step++) {
        const taken = (await this.sessions.endExpired()) + (await this.sessions.forgetOld());
        if (taken === 0) return;
      }
    } catch (error) {
      if (error instanceof Unavailable) this.parts.logger.warn({ err: error }, 'sweeping sessions has to wait');
      else this.parts.logger.error({ err: error }, 'sweeping sessions failed');
    }
  }
}

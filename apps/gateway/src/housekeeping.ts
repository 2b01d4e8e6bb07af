import { Injectable } from '@nestjs/common';
import { times } from '@parley/contracts';
import { endsWithin, Health, Logger, RecurringTask, type RecurringTaskOptions } from '@parley/service-kit';
import { Revocations } from './auth/revocations.js';
import { VerificationKeys } from './auth/verification-keys.js';
import { Connections } from './connections/connections.js';
import { Files } from './files/files.js';
import { Uploads } from './files/uploads.js';
import { Leases } from './presence/leases.js';
import { PresenceSubscriptions } from './presence/presence-subscriptions.js';
import { Typing } from './presence/typing.js';
import { PushListener } from './push/push-listener.js';

const REVOCATIONS_MS = 3_000;
const FIRST_LOAD_RETRY_MS = 250;
const SWEEP_MS = 5 * 60_000;
const TYPING_MS = 1_000;
const STOP_TIMEOUT_MS = 2_000;
/** Spreads the runs of several gateways. */
const JITTER = 0.1;

/** The recurring tasks of a gateway: renewals, sweeps, and following auth's keys and revocations. */
@Injectable()
export class Housekeeping {
  private tasks: readonly RecurringTask[] = [];

  constructor(
    private readonly keys: VerificationKeys,
    private readonly revocations: Revocations,
    private readonly connections: Connections,
    private readonly leases: Leases,
    private readonly subscriptions: PresenceSubscriptions,
    private readonly typing: Typing,
    private readonly files: Files,
    private readonly uploads: Uploads,
    private readonly pushListener: PushListener,
    private readonly health: Health,
    private readonly logger: Logger,
  ) {}

  /** Begins all tasks. The gateway is ready once auth has answered keys and revocations. */
  start(): void {
    this.health.check('auth', () => (this.hasLoaded ? undefined : 'keys and revocations were not loaded yet'));
    this.tasks = [
      this.task('renew leases', times.renewMs, () => this.leases.renew()),
      this.task('renew presence subscriptions', times.renewMs, () =>
        this.subscriptions.refresh(this.connections.renewable),
      ),
      this.task('sweep files', SWEEP_MS, () => this.sweepFiles()),
      this.task('end typing', TYPING_MS, async () => this.typing.expire()),
      this.task(
        'load revocations',
        () => (this.hasLoaded ? REVOCATIONS_MS : FIRST_LOAD_RETRY_MS),
        async () => {
          if (!this.keys.loaded) await this.keys.refresh();
          await this.pushListener.endRevokedSessions();
        },
      ),
    ];
  }

  /** Begins no further run, and waits a little for those under way. */
  async stop(): Promise<void> {
    await endsWithin(STOP_TIMEOUT_MS, Promise.all(this.tasks.map((task) => task.stop())));
  }

  /** Removes the bytes of attachments that nobody can see any more, and expired uploads. */
  async sweepFiles(): Promise<void> {
    await this.files.sweep();
    await this.uploads.expire();
  }

  private get hasLoaded(): boolean {
    return this.keys.loaded && this.revocations.loaded;
  }

  private task(name: string, everyMs: RecurringTaskOptions['everyMs'], run: () => Promise<void>): RecurringTask {
    return new RecurringTask({ name, everyMs, jitter: JITTER, logger: this.logger, run });
  }
}

import { Broker, startNestService } from '@parley/broker';
import { Logger, RecurringTask, type Running } from '@parley/service-kit';
import { AppModule } from './app.module.js';
import { Presences } from './presences.js';
import { defaultSettings, PresenceSettings } from './settings.js';
import { PresenceStore } from './store/store.js';

/** The dependencies of the service, which it neither opens nor closes. Absent settings have their defaults. */
export interface PresenceDependencies extends Partial<PresenceSettings> {
  readonly broker: Broker;
  readonly store: PresenceStore;
  readonly logger: Logger;
  /** The longest that a stop waits for work under way, in milliseconds. */
  readonly graceMs?: number;
}

/**
 * Serves presence. Resolves once the service's queues are consumed. `stop` ends the work under way and leaves the
 * dependencies open.
 */
export async function startPresence(dependencies: PresenceDependencies): Promise<Running> {
  const { broker, store, logger } = dependencies;
  const {
    sweepMs = defaultSettings.sweepMs,
    holdMs = defaultSettings.holdMs,
    times = defaultSettings.times,
  } = dependencies;
  const module = AppModule.register([
    { provide: Broker, useValue: broker },
    { provide: PresenceStore, useValue: store },
    { provide: Logger, useValue: logger },
    { provide: PresenceSettings, useValue: { sweepMs, holdMs, times } },
  ]);
  const app = await startNestService(module, { ...dependencies, service: 'presence' });
  const presences = app.get(Presences);
  const sweeper = new RecurringTask({ name: 'sweep presence', logger, everyMs: sweepMs, run: () => presences.sweep() });
  return {
    async stop() {
      await sweeper.stop();
      await app.close();
    },
  };
}

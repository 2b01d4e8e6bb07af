import { startNestService } from '@parley/broker';
import { RecurringTask, type Running } from '@parley/service-kit';
import { AppModule } from './app.module.js';
import type { PresenceParts } from './parts.js';
import { Presences } from './presences.js';
import { presenceTimes } from './record.js';
import { storeTimes } from './store/store.js';

const SWEEP_MS = 1_000;
/** What has a usual value. */
type Tuning = 'sweepMs' | 'holdMs' | 'times';

/** Serves presence. Resolves once its queues are consumed; `stop` ends the work under way and leaves the parts open. */
export async function startPresence(
  given: Omit<PresenceParts, Tuning> & Partial<Pick<PresenceParts, Tuning>>,
): Promise<Running> {
  const parts: PresenceParts = { sweepMs: SWEEP_MS, holdMs: storeTimes.holdMs, times: presenceTimes, ...given };
  const app = await startNestService(AppModule.register(parts), { ...parts, service: 'presence' });
  const presences = app.get(Presences);
  const sweeper = new RecurringTask({
    name: 'sweep presence',
    logger: parts.logger,
    everyMs: parts.sweepMs,
    run: () => presences.sweep(),
  });
  return {
    async stop() {
      await sweeper.stop();
      await app.close();
    },
  };
}

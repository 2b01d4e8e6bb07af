import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { BrokerStrategy } from '@parley/broker';
import { nestLogger, RecurringTask, type Running } from '@parley/service-kit';
import { AppModule } from './app.module.js';
import type { PresenceParts } from './parts.js';
import { Presences } from './presences.js';
import { presenceTimes } from './record.js';
import { storeTimes } from './store.js';

const SWEEP_MS = 1_000;
/** What has a usual value. */
type Tuning = 'sweepMs' | 'holdMs' | 'times';

/** Serves presence. Resolves once its queues are consumed; `stop` ends the work under way and leaves the parts open. */
export async function startPresence(
  given: Omit<PresenceParts, Tuning> & Partial<Pick<PresenceParts, Tuning>>,
): Promise<Running> {
  const parts: PresenceParts = { sweepMs: SWEEP_MS, holdMs: storeTimes.holdMs, times: presenceTimes, ...given };
  const strategy = new BrokerStrategy(
    parts.broker,
    'presence',
    parts.graceMs === undefined ? {} : { graceMs: parts.graceMs },
  );
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(AppModule.register(parts), {
    strategy,
    logger: nestLogger(parts.logger),
    abortOnError: false,
  });
  await app.listen();
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

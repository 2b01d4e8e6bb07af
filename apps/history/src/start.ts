import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { BrokerStrategy } from '@parley/broker';
import { nestLogger, type Running } from '@parley/service-kit';
import { AppModule, type HistoryParts } from './app.module.js';
import { startCatchingUp, TextIndex } from './text-index.js';

/** Serves the questions, receipts and search of the history service. Resolves once its queues are consumed; `stop` ends the work under way and leaves the parts open. */
export async function startHistory(parts: HistoryParts): Promise<Running> {
  const strategy = new BrokerStrategy(
    parts.broker,
    'history',
    parts.graceMs === undefined ? {} : { graceMs: parts.graceMs },
  );
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(AppModule.register(parts), {
    strategy,
    logger: nestLogger(parts.logger),
    abortOnError: false,
  });
  await app.listen();
  // What was stored before search knew of it is found later; nobody waits for that.
  const catchingUp = startCatchingUp(app.get(TextIndex), parts.logger);
  return {
    async stop() {
      await catchingUp.stop();
      await app.close();
    },
  };
}

import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { BrokerStrategy } from '@parley/broker';
import { nestLogger, type Running } from '@parley/service-kit';
import { AppModule, type MessagesParts } from './app.module.js';

/** Serves the commands of the messages service. Resolves once its queues are consumed; `stop` ends the work under way and leaves the parts open. */
export async function startMessages(parts: MessagesParts): Promise<Running> {
  const strategy = new BrokerStrategy(
    parts.broker,
    'messages',
    parts.graceMs === undefined ? {} : { graceMs: parts.graceMs },
  );
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(AppModule.register(parts), {
    strategy,
    logger: nestLogger(parts.logger),
    abortOnError: false,
  });
  await app.listen();
  return { stop: () => app.close() };
}

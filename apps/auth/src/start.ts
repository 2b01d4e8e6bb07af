import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { BrokerStrategy } from '@parley/broker';
import { nestLogger, type Running } from '@parley/service-kit';
import { AppModule } from './app.module.js';
import type { authSettings } from './config.js';
import type { AuthParts, Settings } from './parts.js';

type Configured = { readonly [K in keyof typeof authSettings]: ReturnType<(typeof authSettings)[K]['parse']> };
const DAY_MS = 86_400_000;

/** The settings as the environment gave them. */
export const settingsOf = (config: Configured): Partial<Settings> => ({
  accessTokenMs: config.ACCESS_TOKEN_SECONDS * 1000,
  sessionMs: config.SESSION_DAYS * DAY_MS,
  signingKeyMs: config.SIGNING_KEY_DAYS * DAY_MS,
  passwordConcurrency: config.PASSWORD_CONCURRENCY,
  passwordQueue: config.PASSWORD_QUEUE,
  guests: config.GUESTS,
});

/** Serves accounts, sessions and profiles. Resolves once there is a signing key and its queues are consumed; `stop` ends the work under way and leaves the parts open. */
export async function startAuth(parts: AuthParts): Promise<Running> {
  const strategy = new BrokerStrategy(
    parts.broker,
    'auth',
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

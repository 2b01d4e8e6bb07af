import { Broker, startNestService } from '@parley/broker';
import { Logger, secretKeysOf, type Running } from '@parley/service-kit';
import { Database } from '@parley/store';
import type { z } from 'zod';
import { AppModule } from './app.module.js';
import type { authSettings } from './config.js';
import { AuthSettings, defaultSettings } from './settings.js';

/** The dependencies of the service, which it neither opens nor closes. */
export interface AuthDependencies {
  readonly broker: Broker;
  /** Under a role that may write schema `auth`. */
  readonly database: Database;
  readonly logger: Logger;
  /** Absent settings have their defaults. */
  readonly settings?: Partial<AuthSettings>;
  /** The longest that a stop waits for work under way, in milliseconds. */
  readonly graceMs?: number;
}

type AuthConfig = Readonly<z.output<z.ZodObject<typeof authSettings>>>;
const DAY_MS = 86_400_000;

/** The settings that the configuration gives. */
export const settingsOf = (config: AuthConfig): Partial<AuthSettings> => ({
  secretKeys: secretKeysOf(config),
  accessTokenMs: config.ACCESS_TOKEN_SECONDS * 1000,
  sessionMs: config.SESSION_DAYS * DAY_MS,
  signingKeyMs: config.SIGNING_KEY_DAYS * DAY_MS,
  passwordConcurrency: config.PASSWORD_CONCURRENCY,
  passwordQueue: config.PASSWORD_QUEUE,
  guests: config.GUESTS,
});

/**
 * Serves accounts, sessions, profiles and bots. Resolves once there is a signing key and the service's queues are
 * consumed. `stop` ends the work under way and leaves the dependencies open.
 */
export async function startAuth(dependencies: AuthDependencies): Promise<Running> {
  const { broker, database, logger, settings, graceMs } = dependencies;
  const grace = graceMs === undefined ? {} : { graceMs };
  const module = AppModule.register([
    { provide: Broker, useValue: broker },
    { provide: Database, useValue: database },
    { provide: Logger, useValue: logger },
    { provide: AuthSettings, useValue: { ...defaultSettings, ...settings, ...grace } },
  ]);
  const app = await startNestService(module, { ...dependencies, service: 'auth' });
  return { stop: () => app.close() };
}

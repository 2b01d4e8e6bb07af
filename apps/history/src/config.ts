import { limits } from '@parley/contracts';
import { commonConfig, env, limitConfig, secret } from '@parley/service-kit';
import { databaseUrl } from '@parley/store';
import type { z } from 'zod';

/** Settings of the history service in both modes, as environment variables. */
export const historySettings = { LIMIT_RECEIPTS_TO_ALL_UP_TO: limitConfig.LIMIT_RECEIPTS_TO_ALL_UP_TO };

/** Configuration of the history service as a process of its own. */
export const historyConfig = {
  ...commonConfig,
  ...historySettings,
  AMQP_URL: secret(env.url('amqp', 'amqps'), 'RabbitMQ, as the user of this service'),
  DATABASE_URL: secret(databaseUrl, 'Postgres, as role parley_history'),
  REDIS_URL: secret(env.url('redis', 'rediss'), 'Redis, where the gateways register their connections'),
  DATABASE_POOL: env.integer(1, 1000).default(10).describe('Database connections of one replica at most'),
};

/** Settings of the history service; a class, so that Nest injects it by type. */
export abstract class Settings {
  /** In larger conversations receipts go to the senders of messages only. */
  abstract readonly receiptsToAllUpTo: number;
}

export const defaultSettings: Settings = Object.freeze({ receiptsToAllUpTo: limits.receiptsToAllUpTo });

/** The settings that the environment gives. */
export const settingsOf = (config: Readonly<z.output<z.ZodObject<typeof historySettings>>>): Settings => ({
  receiptsToAllUpTo: config.LIMIT_RECEIPTS_TO_ALL_UP_TO,
});

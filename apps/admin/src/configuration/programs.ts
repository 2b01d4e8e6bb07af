import { authConfig } from '@parley/auth';
import { rabbitAccountsConfig } from '@parley/broker';
import { gatewayProcessConfig } from '@parley/gateway';
import { historyConfig } from '@parley/history';
import { messagesConfig } from '@parley/messages';
import { presenceConfig } from '@parley/presence';
import { redisAccountsConfig } from '@parley/realtime';
import { loadConfig } from '@parley/service-kit';
import { readConfig, standaloneConfig } from '@parley/standalone';
import { migrateJobConfig } from '@parley/store';
import type { z } from 'zod';

/** A program of this repository that is configured by the environment. */
export interface Program {
  readonly name: string;
  /** For people. */
  readonly title: string;
  readonly shape: z.ZodRawShape;
  /** Throws a `ConfigError` with all problems. */
  read(source: NodeJS.ProcessEnv): unknown;
}

const service = (name: string, shape: z.ZodRawShape, title = name): Program => ({
  name,
  title,
  shape,
  read: (source) => loadConfig(shape, source),
});

export const programs: readonly Program[] = [
  { name: 'standalone', title: 'Everything in one process (`npm start`)', shape: standaloneConfig, read: readConfig },
  service('gateway', gatewayProcessConfig),
  service('auth', authConfig),
  service('messages', messagesConfig),
  service('history', historyConfig),
  service('presence', presenceConfig),
  service('migrate', migrateJobConfig, 'The migration job (`node libs/store/dist/migrate-job.js`)'),
  service(
    'rabbitmq-accounts',
    rabbitAccountsConfig,
    'The job of RabbitMQ’s accounts (`node libs/broker/dist/accounts-job.js`)',
  ),
  service(
    'redis-accounts',
    redisAccountsConfig,
    'The job of Redis’ accounts (`node libs/realtime/dist/accounts-job.js`)',
  ),
];

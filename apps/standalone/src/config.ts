import { authSettings } from '@parley/auth';
import { gatewayConfig } from '@parley/gateway';
import { historySettings } from '@parley/history';
import { messagesSettings } from '@parley/messages';
import { commonConfig, ConfigError, env, loadConfig, secret } from '@parley/service-kit';
import { databaseUrl } from '@parley/store';
import { z } from 'zod';

/** The configuration of everything in one process. Each of the three addresses replaces one dependency by a server; without any it is embedded mode. */
export const standaloneConfig = {
  ...commonConfig,
  ...authSettings,
  ...messagesSettings,
  ...historySettings,
  ...gatewayConfig,
  LOG_LEVEL: commonConfig.LOG_LEVEL.removeDefault()
    .default('warn')
    .describe('Lowest level that is logged, as JSON on standard error'),
  HOST: env.host
    .default('127.0.0.1')
    .describe(
      'Address to listen on. The default allows this machine only, because anybody who reaches the port may register; 0.0.0.0 allows all',
    ),
  DATA_DIR: z
    .string()
    .default('./data')
    .describe('Folder of the data, created when missing; one process at a time. Not used with DATABASE_URL'),
  HEALTH_PORT: env.port
    .default(0)
    .describe('Port for /metrics, and for /health/live and /health/ready, which PORT serves too; 0: none'),
  AMQP_URL: secret(
    env.url('amqp', 'amqps').optional(),
    'RabbitMQ instead of the in-process broker; needs the other two addresses',
  ),
  DATABASE_URL: secret(
    databaseUrl.optional(),
    'Postgres instead of PGlite, as an owner who may migrate it and act as the services’ roles',
  ),
  DATABASE_POOL: env.integer(1, 1000).default(10).describe('Maximum Postgres connections of each service'),
  REDIS_URL: secret(
    env.url('redis', 'rediss').optional(),
    'Redis instead of memory, for connections, presence and rates',
  ),
};
export type StandaloneConfig = Readonly<z.output<z.ZodObject<typeof standaloneConfig>>>;

/** Throws {@link ConfigError} with all problems at once. */
export function readConfig(source?: NodeJS.ProcessEnv): StandaloneConfig {
  const config = loadConfig(standaloneConfig, source);
  // Processes that share a broker do each other's work, so they must share the data and the registry too.
  const missing = (['DATABASE_URL', 'REDIS_URL'] as const).filter(
    (name) => config.AMQP_URL !== undefined && config[name] === undefined,
  );
  if (missing.length > 0) throw new ConfigError(missing.map((name) => `${name}: is required with AMQP_URL`));
  return config;
}

/** Whether no dependency is a server. */
export const isEmbedded = ({ AMQP_URL, DATABASE_URL, REDIS_URL }: StandaloneConfig): boolean =>
  [AMQP_URL, DATABASE_URL, REDIS_URL].every((url) => url === undefined);

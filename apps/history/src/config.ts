import { commonConfig, env, secret } from '@parley/service-kit';
import { databaseUrl } from '@parley/store';

/** Configuration of the history service. */
export const historyConfig = {
  ...commonConfig,
  AMQP_URL: secret(env.url('amqp', 'amqps'), 'RabbitMQ, as the user of this service'),
  DATABASE_URL: secret(databaseUrl, 'Postgres, as role parley_history'),
  REDIS_URL: secret(env.url('redis', 'rediss'), 'Redis, where the gateways register their connections'),
  DATABASE_POOL: env.integer(1, 1000).default(10).describe('Database connections of one replica at most'),
};

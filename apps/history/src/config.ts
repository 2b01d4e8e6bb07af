import { commonConfig, env } from '@parley/service-kit';

/** Configuration of the history service. */
export const historyConfig = {
  ...commonConfig,
  AMQP_URL: env.url('amqp', 'amqps').describe('RabbitMQ, as the user of this service'),
  DATABASE_URL: env.url('postgres', 'postgresql').describe('Postgres, as role parley_history'),
  REDIS_URL: env.url('redis', 'rediss').describe('Redis, where the gateways register their connections'),
  DATABASE_POOL: env.integer(1, 1000).default(10).describe('Database connections of one replica at most'),
};

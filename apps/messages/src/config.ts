import { commonConfig, env } from '@parley/service-kit';
import { messagesSettings } from './settings.js';

/** Configuration of the messages service. */
export const messagesConfig = {
  ...commonConfig,
  ...messagesSettings,
  AMQP_URL: env.url('amqp', 'amqps').describe('RabbitMQ, as the user of this service'),
  DATABASE_URL: env.url('postgres', 'postgresql').describe('Postgres, as role parley_messages'),
  REDIS_URL: env.url('redis', 'rediss').describe('Redis, where the gateways register their connections'),
  DATABASE_POOL: env.integer(1, 1000).default(10).describe('Database connections of one replica at most'),
};

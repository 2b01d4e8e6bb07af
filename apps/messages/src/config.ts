import { commonConfig, env, secret } from '@parley/service-kit';
import { messagesSettings } from './settings.js';

/** Configuration of the messages service. */
export const messagesConfig = {
  ...commonConfig,
  ...messagesSettings,
  AMQP_URL: secret(env.url('amqp', 'amqps'), 'RabbitMQ, as the user of this service'),
  DATABASE_URL: secret(env.url('postgres', 'postgresql'), 'Postgres, as role parley_messages'),
  REDIS_URL: secret(env.url('redis', 'rediss'), 'Redis, where the gateways register their connections'),
  DATABASE_POOL: env.integer(1, 1000).default(10).describe('Database connections of one replica at most'),
};

import { commonConfig, env } from '@parley/service-kit';

/** Configuration of the presence service. */
export const presenceConfig = {
  ...commonConfig,
  AMQP_URL: env.url('amqp', 'amqps').describe('RabbitMQ, as the user of this service'),
  REDIS_URL: env.url('redis', 'rediss').describe('Redis, where presence keeps what it knows'),
};

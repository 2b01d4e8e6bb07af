import { commonConfig, env, secret } from '@parley/service-kit';

/** Configuration of the presence service. */
export const presenceConfig = {
  ...commonConfig,
  AMQP_URL: secret(env.url('amqp', 'amqps'), 'RabbitMQ, as the user of this service'),
  REDIS_URL: secret(env.url('redis', 'rediss'), 'Redis of the presence records'),
};

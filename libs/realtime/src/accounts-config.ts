import { secret } from '@parley/service-kit';
import { z } from 'zod';

const password = (of: string) => secret(z.string(), `Password of ${of}`);

/** Configuration of the accounts job. */
export const accountsJobConfig = {
  ACCOUNTS_DIR: z.string().describe('Folder of the files, made when missing'),
  RABBITMQ_VHOST: z.string().default('/').describe('Virtual host of RabbitMQ'),
  OPERATOR: z.string().default('parley').describe('Name of the account that may do everything'),
  RABBITMQ_PASSWORD: password('the operator, on RabbitMQ'),
  REDIS_PASSWORD: password('the operator, on Redis'),
  GATEWAY_AMQP_PASSWORD: password('the gateway, on RabbitMQ'),
  AUTH_AMQP_PASSWORD: password('auth, on RabbitMQ'),
  MESSAGES_AMQP_PASSWORD: password('messages, on RabbitMQ'),
  HISTORY_AMQP_PASSWORD: password('history, on RabbitMQ'),
  PRESENCE_AMQP_PASSWORD: password('presence, on RabbitMQ'),
  GATEWAY_REDIS_PASSWORD: password('the gateway, on Redis'),
  MESSAGES_REDIS_PASSWORD: password('messages, on Redis'),
  HISTORY_REDIS_PASSWORD: password('history, on Redis'),
  PRESENCE_REDIS_PASSWORD: password('presence, on Redis'),
};

/** Writes what RabbitMQ and Redis read at their start: `rabbitmq.conf` with `rabbitmq.json`, and `redis.acl`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createLogger, loadConfig, run } from '@parley/service-kit';
import { z } from 'zod';
import { rabbitDefinitions, redisUsers } from './accounts.js';

const password = (of: string) => z.string().describe(`Password of ${of}`);

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

await run('accounts', async () => {
  const config = loadConfig(accountsJobConfig);
  const place = (name: string): string => join(config.ACCOUNTS_DIR, name);
  const definitions = rabbitDefinitions({
    vhost: config.RABBITMQ_VHOST,
    operator: { name: config.OPERATOR, password: config.RABBITMQ_PASSWORD },
    passwords: {
      gateway: config.GATEWAY_AMQP_PASSWORD, auth: config.AUTH_AMQP_PASSWORD, messages: config.MESSAGES_AMQP_PASSWORD, history: config.HISTORY_AMQP_PASSWORD,
      presence: config.PRESENCE_AMQP_PASSWORD,
    },
  });
  const users = redisUsers({
    operator: { name: config.OPERATOR, password: config.REDIS_PASSWORD },
    passwords: {
      gateway: config.GATEWAY_REDIS_PASSWORD, messages: config.MESSAGES_REDIS_PASSWORD, history: config.HISTORY_REDIS_PASSWORD, presence: config.PRESENCE_REDIS_PASSWORD,
    },
  });
  await mkdir(config.ACCOUNTS_DIR, { recursive: true });
  await writeFile(place('rabbitmq.json'), JSON.stringify(definitions));
  await writeFile(place('rabbitmq.conf'), `load_definitions = ${place('rabbitmq.json')}\n`);
  await writeFile(place('redis.acl'), `${users.join('\n')}\n`);
  createLogger('accounts').info({ folder: config.ACCOUNTS_DIR }, 'the accounts are written');
  return { stop: async () => {} };
});

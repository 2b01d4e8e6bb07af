/** Writes what RabbitMQ and Redis read at their start: `rabbitmq.conf` with `rabbitmq.json`, and `redis.acl`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createLogger, loadConfig, run } from '@parley/service-kit';
import { accountsJobConfig } from './accounts-config.js';
import { rabbitDefinitions, redisUsers } from './accounts.js';

await run('accounts', async () => {
  const config = loadConfig(accountsJobConfig);
  const place = (name: string): string => join(config.ACCOUNTS_DIR, name);
  const definitions = rabbitDefinitions({
    vhost: config.RABBITMQ_VHOST,
    operator: { name: config.OPERATOR, password: config.RABBITMQ_PASSWORD },
    passwords: {
      gateway: config.GATEWAY_AMQP_PASSWORD,
      auth: config.AUTH_AMQP_PASSWORD,
      messages: config.MESSAGES_AMQP_PASSWORD,
      history: config.HISTORY_AMQP_PASSWORD,
      presence: config.PRESENCE_AMQP_PASSWORD,
    },
  });
  const users = redisUsers({
    operator: { name: config.OPERATOR, password: config.REDIS_PASSWORD },
    passwords: {
      gateway: config.GATEWAY_REDIS_PASSWORD,
      messages: config.MESSAGES_REDIS_PASSWORD,
      history: config.HISTORY_REDIS_PASSWORD,
      presence: config.PRESENCE_REDIS_PASSWORD,
    },
  });
  await mkdir(config.ACCOUNTS_DIR, { recursive: true });
  await writeFile(place('rabbitmq.json'), JSON.stringify(definitions));
  await writeFile(place('rabbitmq.conf'), `load_definitions = ${place('rabbitmq.json')}\n`);
  await writeFile(place('redis.acl'), `${users.join('\n')}\n`);
  createLogger('accounts').info({ folder: config.ACCOUNTS_DIR }, 'the accounts are written');
  return { stop: async () => {} };
});

/** Writes the files that RabbitMQ reads at its start: `rabbitmq.conf`, and the accounts in `rabbitmq.json`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createLogger, loadConfig, run, shareNewFiles } from '@parley/service-kit';
import { rabbitAccountsConfig, rabbitDefinitions } from './rabbit/accounts.js';

await run('accounts', async () => {
  shareNewFiles();
  const config = loadConfig(rabbitAccountsConfig);
  const pathOf = (name: string): string => join(config.ACCOUNTS_DIR, name);
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
  await mkdir(config.ACCOUNTS_DIR, { recursive: true });
  await writeFile(pathOf('rabbitmq.json'), JSON.stringify(definitions));
  await writeFile(pathOf('rabbitmq.conf'), `load_definitions = ${pathOf('rabbitmq.json')}\n`);
  createLogger('accounts').info({ folder: config.ACCOUNTS_DIR }, 'the accounts of RabbitMQ are written');
  return { stop: async () => {} };
});

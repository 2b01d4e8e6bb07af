/** Writes the file of accounts that Redis reads at its start: `redis.acl`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createLogger, loadConfig, run, shareNewFiles } from '@parley/service-kit';
import { redisAccountsConfig, redisUsers } from './redis-accounts.js';

await run('accounts', async () => {
  shareNewFiles();
  const config = loadConfig(redisAccountsConfig);
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
  await writeFile(join(config.ACCOUNTS_DIR, 'redis.acl'), `${users.join('\n')}\n`);
  createLogger('accounts').info({ folder: config.ACCOUNTS_DIR }, 'the accounts of Redis are written');
  return { stop: async () => {} };
});

import { createRabbitBroker } from '@parley/broker';
import { runService } from '@parley/service-kit';
import { connectPostgres } from '@parley/store';
import { authConfig } from './config.js';
import { settingsOf, startAuth } from './start.js';

await runService('auth', authConfig, async ({ config, logger, use }) => {
  const { DATABASE_URL: url, DATABASE_POOL: poolSize, SHARDS: shards, SHUTDOWN_GRACE_MS: graceMs } = config;
  const database = await connectPostgres({ url, poolSize, name: 'parley-auth', logger });
  use(database, 'database', () => database.problem());
  const broker = createRabbitBroker({ url: config.AMQP_URL, service: 'auth', logger, shards });
  use(broker, 'broker', () => broker.status.reason);
  await broker.start();
  return startAuth({ broker, database, logger, settings: settingsOf(config), graceMs });
});

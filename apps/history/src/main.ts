import { createRabbitBroker } from '@parley/broker';
import { createRedisRegistry, createRedisTraces } from '@parley/realtime';
import { runService } from '@parley/service-kit';
import { connectPostgres } from '@parley/store';
import { historyConfig, settingsOf } from './config.js';
import { startHistory } from './start.js';

await runService('history', historyConfig, async ({ config, logger, use }) => {
  const { DATABASE_URL: url, DATABASE_POOL: poolSize, SHARDS: shards, SHUTDOWN_GRACE_MS: graceMs } = config;
  const database = await connectPostgres({ url, poolSize, name: 'parley-history', logger });
  use(database, 'database', () => database.problem());
  // Redis is not among the checks: without it pushes go to all gateways, and everything else continues.
  const registry = use(await createRedisRegistry({ url: config.REDIS_URL, logger }));
  const traces = use(await createRedisTraces({ url: config.REDIS_URL, logger }));
  const broker = createRabbitBroker({ url: config.AMQP_URL, service: 'history', logger, shards });
  use(broker, 'broker', () => broker.status.reason);
  await broker.start();
  return startHistory({ broker, database, registry, traces, logger, graceMs, settings: settingsOf(config) });
});

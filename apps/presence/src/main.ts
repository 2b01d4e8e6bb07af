import { createRabbitBroker } from '@parley/broker';
import { runService } from '@parley/service-kit';
import { presenceConfig } from './config.js';
import { createRedisStore } from './store/redis-store.js';
import { startPresence } from './start.js';

await runService('presence', presenceConfig, async ({ config, logger, use }) => {
  const store = await createRedisStore({ url: config.REDIS_URL, logger });
  use(store, 'redis', () => store.problem);
  const broker = createRabbitBroker({ url: config.AMQP_URL, service: 'presence', logger, shards: config.SHARDS });
  use(broker, 'broker', () => broker.status.reason);
  await broker.start();
  return startPresence({ broker, store, logger, graceMs: config.SHUTDOWN_GRACE_MS });
});

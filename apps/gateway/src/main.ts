import { createRabbitBroker } from '@parley/broker';
import { createRedisLimiters, createRedisRegistry, createRedisTraces } from '@parley/realtime';
import { runService } from '@parley/service-kit';
import { gatewayProcessConfig } from './config.js';
import { startGateway } from './start.js';

await runService('gateway', gatewayProcessConfig, async ({ config, logger, health, use }) => {
  const redis = { url: config.REDIS_URL, logger };
  // Redis is not among the checks: without it limits count in memory, and everything else continues.
  const registry = use(await createRedisRegistry({ ...redis, socketsPerUser: config.LIMIT_SOCKETS_PER_USER }));
  const limiters = use(await createRedisLimiters(redis));
  const traces = use(await createRedisTraces(redis));
  const broker = createRabbitBroker({ url: config.AMQP_URL, service: 'gateway', logger, shards: config.SHARDS });
  use(broker, 'broker', () => broker.status.reason);
  await broker.start();
  return startGateway({ config, mode: 'cluster', broker, registry, limiters, traces, logger, health });
});

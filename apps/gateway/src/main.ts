import 'reflect-metadata';
import { createRabbitBroker } from '@parley/broker';
import { createRedisLimiters, createRedisRegistry, createRedisTraces } from '@parley/realtime';
import { createLogger, Health, loadConfig, run, startTracing } from '@parley/service-kit';
import { gatewayProcessConfig } from './config.js';
import { startGateway } from './start.js';

await run('gateway', async () => {
  const config = loadConfig(gatewayProcessConfig);
  const logger = createLogger('gateway', config.LOG_LEVEL);
  const tracing = await startTracing('gateway', config, logger);
  const health = new Health('gateway');
  const broker = createRabbitBroker({ url: config.AMQP_URL, service: 'gateway', logger, shards: config.SHARDS });
  await broker.start();
  const redis = { url: config.REDIS_URL, logger };
  const [registry, limiters, traces] = await Promise.all([
    createRedisRegistry(redis),
    createRedisLimiters(redis),
    createRedisTraces(redis),
  ]);
  health.check('broker', () => (broker.status.ready ? undefined : (broker.status.reason ?? 'not ready')));
  const gateway = await startGateway({ config, broker, registry, limiters, traces, logger, health });
  await health.listen(config.HEALTH_PORT, config.HEALTH_HOST);
  health.open();
  logger.info({ port: gateway.port }, 'the gateway listens');
  return {
    logger,
    async stop() {
      health.drain();
      await gateway.stop();
      await broker.close();
      await Promise.all([registry.close(), limiters.close(), traces.close()]);
      await health.close();
      await tracing.stop();
    },
  };
});

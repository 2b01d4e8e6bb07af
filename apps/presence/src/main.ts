import 'reflect-metadata';
import { createRabbitBroker } from '@parley/broker';
import { createLogger, Health, loadConfig, run, startTracing } from '@parley/service-kit';
import { presenceConfig } from './config.js';
import { createRedisStore } from './redis-store.js';
import { startPresence } from './start.js';

await run('presence', async () => {
  const config = loadConfig(presenceConfig);
  const logger = createLogger('presence', config.LOG_LEVEL);
  const tracing = await startTracing('presence', config, logger);
  const health = new Health('presence');
  const broker = createRabbitBroker({ url: config.AMQP_URL, service: 'presence', logger, shards: config.SHARDS });
  await broker.start();
  const store = await createRedisStore({ url: config.REDIS_URL, logger });
  health.check('broker', () => (broker.status.ready ? undefined : (broker.status.reason ?? 'not ready')));
  health.check('redis', () => store.problem);
  const presence = await startPresence({ broker, store, logger, graceMs: config.SHUTDOWN_GRACE_MS });
  await health.listen(config.HEALTH_PORT, config.HEALTH_HOST);
  health.open();
  logger.info('presence serves');
  return {
    logger,
    async stop() {
      health.drain();
      await presence.stop();
      await broker.close();
      await store.close();
      await health.close();
      await tracing.stop();
    },
  };
});

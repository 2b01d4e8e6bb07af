import { createRabbitBroker } from '@parley/broker';
import { createRedisRegistry, createRedisTraces } from '@parley/realtime';
import { createLogger, Health, loadConfig, run, startTracing } from '@parley/service-kit';
import { connectPostgres } from '@parley/store';
import { messagesConfig } from './config.js';
import { settingsOf } from './settings.js';
import { startMessages } from './start.js';

await run('messages', async () => {
  const config = loadConfig(messagesConfig);
  const logger = createLogger('messages', config.LOG_LEVEL);
  const tracing = await startTracing('messages', config, logger);
  const health = new Health('messages');
  await health.listen(config.HEALTH_PORT, config.HEALTH_HOST);
  const database = await connectPostgres({
    url: config.DATABASE_URL,
    poolSize: config.DATABASE_POOL,
    name: 'parley-messages',
    logger,
  });
  const redis = { url: config.REDIS_URL, logger };
  const [registry, traces] = await Promise.all([createRedisRegistry(redis), createRedisTraces(redis)]);
  const broker = createRabbitBroker({ url: config.AMQP_URL, service: 'messages', logger, shards: config.SHARDS });
  await broker.start();
  // Redis is not among the checks: without it pushes go to all gateways, and everything else goes on.
  health.check('database', () => database.problem());
  health.check('broker', () => (broker.status.ready ? undefined : (broker.status.reason ?? 'not ready')));
  const messages = await startMessages({
    broker,
    database,
    registry,
    traces,
    logger,
    settings: settingsOf(config),
    graceMs: config.SHUTDOWN_GRACE_MS,
  });
  health.open();
  logger.info('serving');
  const stop = async () => {
    health.drain();
    await messages.stop();
    await broker.close(config.SHUTDOWN_GRACE_MS);
    await Promise.all([registry.close(), traces.close()]);
    await database.close();
    await health.close();
    await tracing.stop();
  };
  return { stop, logger };
});

import { createRabbitBroker } from '@parley/broker';
import { createLogger, Health, loadConfig, run, startTracing } from '@parley/service-kit';
import { connectPostgres } from '@parley/store';
import { authConfig } from './config.js';
import { settingsOf, startAuth } from './start.js';

await run('auth', async () => {
  const config = loadConfig(authConfig);
  const logger = createLogger('auth', config.LOG_LEVEL);
  const tracing = await startTracing('auth', config, logger);
  const health = new Health('auth');
  await health.listen(config.HEALTH_PORT, config.HEALTH_HOST);
  const database = await connectPostgres({
    url: config.DATABASE_URL,
    poolSize: config.DATABASE_POOL,
    name: 'parley-auth',
    logger,
  });
  const broker = createRabbitBroker({ url: config.AMQP_URL, service: 'auth', logger, shards: config.SHARDS });
  await broker.start();
  health.check('database', () => database.problem());
  health.check('broker', () => (broker.status.ready ? undefined : (broker.status.reason ?? 'not ready')));
  const auth = await startAuth({
    broker,
    database,
    logger,
    settings: settingsOf(config),
    graceMs: config.SHUTDOWN_GRACE_MS,
  });
  health.open();
  logger.info('serving');
  const stop = async () => {
    health.drain();
    await auth.stop();
    await broker.close(config.SHUTDOWN_GRACE_MS);
    await database.close();
    await health.close();
    await tracing.stop();
  };
  return { stop, logger };
});

import { createLogger, run, startTracing } from '@parley/service-kit';
import { readConfig } from './config.js';
import { startStandalone } from './start.js';
import { startupMessage } from './startup-message.js';

/** For closing what the services used, after the grace period. */
const CLOSE_TIMEOUT_MS = 15_000;

const say = (text: string): void => void process.stdout.write(text);

await run('parley', async () => {
  const config = readConfig();
  const logger = createLogger('standalone', config.LOG_LEVEL, process.stderr);
  const tracing = await startTracing('standalone', config, logger);
  const standalone = await startStandalone(config, logger);
  say(startupMessage(config, standalone.url));
  return {
    logger,
    stopTimeoutMs: config.SHUTDOWN_GRACE_MS + CLOSE_TIMEOUT_MS,
    async stop() {
      say('\nParley is stopping …\n');
      await standalone.stop();
      await tracing.stop();
      say('Parley stopped.\n');
    },
  };
});

import { createLogger, loadConfig, run } from '@parley/service-kit';
import { migrateJobConfig } from './migrate-config.js';
import { migrate, type RolePasswords } from './migrate.js';

// A signal does not interrupt the migration: the job ends after it.
await run('migrate', async () => {
  const config = loadConfig(migrateJobConfig);
  const logger = createLogger('migrate', config.LOG_LEVEL);
  const given = {
    auth: config.AUTH_DB_PASSWORD,
    messages: config.MESSAGES_DB_PASSWORD,
    history: config.HISTORY_DB_PASSWORD,
  };
  const passwords = Object.fromEntries(
    Object.entries(given).filter(([, password]) => password !== undefined),
  ) as RolePasswords;
  const ran = await migrate({ url: config.DATABASE_URL, passwords, logger });
  logger.info({ ran }, ran.length === 0 ? 'the database is up to date' : 'the database was migrated');
  return { stop: async () => {} };
});

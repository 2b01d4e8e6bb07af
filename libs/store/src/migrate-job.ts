import { createLogger, env, loadConfig, run } from '@parley/service-kit';
import { z } from 'zod';
import { migrate, type RolePasswords } from './migrate.js';

/** Configuration of the migration job. */
export const migrateJobConfig = {
  DATABASE_URL: env.url('postgres', 'postgresql').describe('The database, as its owner, who may create roles'),
  AUTH_DB_PASSWORD: z.string().optional().describe('Lets the role parley_auth log in with this password'),
  MESSAGES_DB_PASSWORD: z.string().optional().describe('Lets the role parley_messages log in with this password'),
  HISTORY_DB_PASSWORD: z.string().optional().describe('Lets the role parley_history log in with this password'),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info').describe('The least level that is logged'),
};

// Ends by itself; the signals that `run` listens to can wait for it, as a migration is all or nothing.
await run('migrate', async () => {
  const config = loadConfig(migrateJobConfig);
  const logger = createLogger('migrate', config.LOG_LEVEL);
  const given = { auth: config.AUTH_DB_PASSWORD, messages: config.MESSAGES_DB_PASSWORD, history: config.HISTORY_DB_PASSWORD };
  const passwords = Object.fromEntries(Object.entries(given).filter(([, password]) => password !== undefined)) as RolePasswords;
  const ran = await migrate({ url: config.DATABASE_URL, passwords, logger });
  logger.info({ ran }, ran.length === 0 ? 'the database is up to date' : 'the database was migrated');
  return { stop: async () => {} };
});

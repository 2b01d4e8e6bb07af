import { secret } from '@parley/service-kit';
import { databaseUrl } from './database-url.js';
import { z } from 'zod';

const password = (role: string) => secret(z.string().optional(), `Lets the role ${role} log in with this password`);

/** Configuration of the migration job. */
export const migrateJobConfig = {
  DATABASE_URL: secret(databaseUrl, 'The database, as its owner, who may create roles'),
  AUTH_DB_PASSWORD: password('parley_auth'),
  MESSAGES_DB_PASSWORD: password('parley_messages'),
  HISTORY_DB_PASSWORD: password('parley_history'),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('The lowest level that is logged'),
};

import { StartError, type Logger } from '@parley/service-kit';
import { reasonOf } from './failures.js';
import { roles } from './migrations/index.js';
import { parseDatabaseUrl } from './database-url.js';
import { openPool } from './postgres.js';
import { compareSchema, newerSchemaText, runMigrations } from './schema.js';

/** The key of the advisory lock. Any number, the same for every migration job. */
const LOCK = 7_215_539_011;
/** Maximum time that a migration job waits for another. */
const LOCK_WAIT_MS = 120_000;

/** Passwords of the services' roles. A role with a password may log in. */
export type RolePasswords = Partial<Record<keyof typeof roles, string>>;

/**
 * Migrates a database to this version's schema by MikroORM's migrator. `url` names the owner's account, which may create roles. Returns the names of the migrations that ran.
 * Any number of jobs may run at once: one works, the others wait for it. Throws a `StartError` when the database cannot be reached or is newer.
 */
export async function migrate(options: { url: string; passwords?: RolePasswords; logger: Logger }): Promise<string[]> {
  const { url, passwords = {}, logger } = options;
  const { orm, pool } = await openPool({ url, poolSize: 4, statementTimeoutMs: 0, name: 'parley-migrate', logger });
  try {
    const holder = await pool.connect();
    try {
      await holder.query(`set lock_timeout = ${LOCK_WAIT_MS}`);
      await holder.query('select pg_advisory_lock($1)', [LOCK]);
      const { unknown } = await compareSchema({ query: async (text) => (await holder.query(text)).rows });
      if (unknown.length > 0) throw new StartError(newerSchemaText(unknown));
      const ran = await runMigrations(orm);
      for (const [service, password] of Object.entries(passwords)) {
        // A password cannot be a parameter, so the server quotes it.
        const { rows } = await holder.query<{ statement: string }>(
          `select format('alter role %I login password %L', $1::text, $2::text) as statement`,
          [roles[service as keyof typeof roles], password],
        );
        await holder.query(rows[0]!.statement);
      }
      return ran;
    } finally {
      // Closes the session, which releases the lock.
      holder.release(true);
    }
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(`the database at ${parseDatabaseUrl(url).title} cannot be migrated: ${reasonOf(error)}`);
  } finally {
    await orm.close(true);
  }
}

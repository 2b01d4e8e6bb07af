import { StartError, type Logger } from '@parley/service-kit';
import { reasonOf } from './failures.js';
import { roles } from './migrations/index.js';
import { openPool, placeOf } from './postgres.js';
import { compareSchema, newer, runMigrations } from './schema.js';

/** Any number, the same for all who migrate. */
const LOCK = 7_215_539_011;
/** The longest that one migration job waits for another. */
const LOCK_WAIT_MS = 120_000;

/** Passwords for the services' roles; a role that gets one may log in. */
export type RolePasswords = Partial<Record<keyof typeof roles, string>>;

/**
 * Brings the database that `url` names (as its owner, who may create roles) to this version's schema. Answers the names of the migrations that it ran.
 * Any number may run at once: one works, the others wait for it. Throws a `StartError` when the database can't be reached or is newer.
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
      if (unknown.length > 0) throw new StartError(newer(unknown));
      const ran = await runMigrations(orm);
      for (const [service, password] of Object.entries(passwords)) {
        // A role's password can't be a parameter; the server quotes it.
        const { rows } = await holder.query<{ statement: string }>(
          `select format('alter role %I login password %L', $1::text, $2::text) as statement`,
          [roles[service as keyof typeof roles], password],
        );
        await holder.query(rows[0]!.statement);
      }
      return ran;
    } finally {
      // Closes the session, and with it the lock.
      holder.release(true);
    }
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(`the database at ${placeOf(url)} cannot be migrated: ${reasonOf(error)}`);
  } finally {
    await orm.close(true);
  }
}

import { StartError, type Logger } from '@parley/service-kit';
import type { PoolClient } from 'pg';
import { codeOf, reasonOf } from './failures.js';
import { roles } from './migrations/index.js';
import { parseDatabaseUrl } from './database-url.js';
import { openPool, sessionSettings } from './postgres.js';
import { compareSchema, newerSchemaText, runMigrations } from './schema.js';

/** The key of the advisory lock. Any number, the same for every migration job. */
const LOCK = 7_215_539_011;
/** Maximum time that a migration job waits for another. */
const LOCK_WAIT_MS = 120_000;

/** Passwords of the services' roles. A role with a password may log in. */
export type RolePasswords = Partial<Record<keyof typeof roles, string>>;

/**
 * Migrates a database to this version's schema by MikroORM's migrator. `url` names the owner's account, which may
 * create roles. Returns the names of the migrations that ran. Any number of jobs may run at once: one works, the others
 * wait for it. Throws a `StartError` when the database cannot be reached or is newer.
 */
export async function migrate(options: { url: string; passwords?: RolePasswords; logger: Logger }): Promise<string[]> {
  const { url, passwords = {}, logger } = options;
  if (parseDatabaseUrl(url).isPooled)
    throw new StartError(
      'the migration holds a lock for as long as it runs, which PgBouncer cannot keep: give it the address of the server itself, without pgbouncer=true',
    );
  const { orm, pool } = await openPool({ url, poolSize: 4, statementTimeoutMs: 0, name: 'parley-migrate', logger });
  try {
    const holder = await pool.connect();
    try {
      await holder.query(`set lock_timeout = ${LOCK_WAIT_MS}`);
      await holder.query('select pg_advisory_lock($1)', [LOCK]);
      const { unknown } = await compareSchema({ query: async (text) => (await holder.query(text)).rows });
      if (unknown.length > 0) throw new StartError(newerSchemaText(unknown));
      const ran = await runMigrations(orm);
      await joinRoles(holder, logger);
      await setSessionSettings(holder, logger);
      for (const [service, password] of Object.entries(passwords))
        await setPassword(holder, roles[service as keyof typeof roles], password);
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

const NO_RIGHT = '42501';

/**
 * Makes the owner a member of the services' roles, unless it is a superuser, so that one process may act for all
 * services. Before Postgres 16, everybody who may create roles may grant them; since then, their maker may, and is no
 * full member without a grant either.
 */
async function joinRoles(owner: PoolClient, logger: Logger): Promise<void> {
  for (const role of Object.values(roles)) {
    const { rows } = await owner.query<{ joined: boolean }>(
      `select pg_has_role(current_user, $1, case when current_setting('server_version_num')::int >= 160000 then 'SET' else 'MEMBER' end) as joined`,
      [role],
    );
    if (rows[0]!.joined) continue;
    try {
      await owner.query(`grant ${role} to current_user`);
    } catch (error) {
      if (codeOf(error) !== NO_RIGHT) throw error;
      logger.warn(
        { role },
        'the owner of the database may not act as this role, which it did not make: fine for a cluster; otherwise a superuser has to grant it to the owner',
      );
    }
  }
}

/** For services behind PgBouncer, whose connections cannot bring their settings. Others bring the same. */
async function setSessionSettings(owner: PoolClient, logger: Logger): Promise<void> {
  for (const role of Object.values(roles)) {
    for (const [name, value] of Object.entries(sessionSettings)) {
      const { rows } = await owner.query<{ statement: string }>(
        `select format('alter role %I in database %I set %I = %L', $1::text, current_database(), $2::text, $3::text) as statement`,
        [role, name, String(value)],
      );
      try {
        await owner.query(rows[0]!.statement);
      } catch (error) {
        if (codeOf(error) !== NO_RIGHT) throw error;
        logger.warn(
          { role },
          'the owner of the database may not change this role: fine unless services use PgBouncer, where a superuser has to set statement_timeout, idle_in_transaction_session_timeout and jit for it',
        );
        break;
      }
    }
  }
}

/** A password cannot be a parameter, so the server quotes it. */
async function setPassword(owner: PoolClient, role: string, password: string): Promise<void> {
  const { rows } = await owner.query<{ statement: string }>(
    `select format('alter role %I login password %L', $1::text, $2::text) as statement`,
    [role, password],
  );
  await owner.query(rows[0]!.statement).catch((error: unknown) => {
    if (codeOf(error) !== NO_RIGHT) throw error;
    throw new StartError(
      `the owner of the database may not set the password of role ${role}: give it the attribute CREATEROLE and, from Postgres 16 on, grant it the role with admin option`,
    );
  });
}

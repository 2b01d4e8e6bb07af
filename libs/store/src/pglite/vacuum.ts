/** What autovacuum does in a Postgres server. PGlite has no processes of its own for it. */
import type { Logger } from '@parley/service-kit';
import type { Row, Sql } from '../database.js';

/** What makes a table due, and what keeps it from being vacuumed. */
export const vacuumLimits = {
  /**
   * A larger table is left alone: everybody waits for the one thread of the database, and a statement over its time
   * limit would end it. About 20 s on a slow disk.
   */
  maxBytes: 1024 ** 3,
  /** A table is due when so many rows and a fifth of all are dead, or new to the planner. */
  minRows: 1_000,
  /** The age of its oldest transaction id at which a table is frozen. At 2^31 Postgres refuses to write. */
  freezeAge: 200_000_000,
  /** The age at which a table that cannot be frozen is an error. */
  alarmAge: 1_000_000_000,
};
/** See {@link vacuumLimits}. */
export type VacuumLimits = typeof vacuumLimits;

interface DueTable extends Row {
  /** Quoted, with its schema. */
  name: string;
  bytes: number;
  age: number;
}
const DUE = `
  select format('%I.%I', s.schemaname, s.relname) as name, pg_total_relation_size(s.relid)::float8 as bytes, age(c.relfrozenxid) as age
  from pg_stat_user_tables s join pg_class c on c.oid = s.relid
  where c.relkind = 'r' and (greatest(s.n_dead_tup, s.n_mod_since_analyze) > $1::bigint + 0.2 * greatest(c.reltuples, s.n_live_tup) or age(c.relfrozenxid) > $2::int)
  order by age(c.relfrozenxid) > $2::int desc, greatest(s.n_dead_tup, s.n_mod_since_analyze) desc, name`;

/**
 * Makes the room of dead rows usable again, renews the planner's statistics, and freezes old transaction ids, in all
 * tables that are due, one statement each. Without it a database would grow with every change, and refuse to write after
 * 2^31 transactions. Returns the names of the tables. Rejects with the database's errors.
 */
export async function vacuumDueTables(
  sql: Sql,
  logger: Logger,
  { maxBytes, minRows, freezeAge, alarmAge }: VacuumLimits = vacuumLimits,
): Promise<string[]> {
  const due = await sql.query<DueTable>(DUE, [minRows, freezeAge]);
  const vacuumed: string[] = [];
  for (const { name, bytes, age } of due) {
    if (bytes > maxBytes) reportTooLarge(logger, { table: name, bytes, age }, age > alarmAge);
    else {
      const freeze = age > freezeAge ? 'freeze, ' : '';
      await sql.query(`vacuum (${freeze}analyze, truncate false, parallel 0) ${name}`, [], { prepared: false });
      vacuumed.push(name);
    }
  }
  return vacuumed;
}

function reportTooLarge(logger: Logger, facts: object, isUrgent: boolean): void {
  const advice = 'move to a Postgres server (npm run admin -- migrate)';
  if (isUrgent) logger.error(facts, `at the age of 2,147,483,648 of a table the database refuses to write: ${advice}`);
  else
    logger.warn(
      facts,
      `the table is too large to be vacuumed while it is used, and grows with every change: ${advice}`,
    );
}

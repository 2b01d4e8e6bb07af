import type { Sql } from './database.js';
import { codeOf } from './failures.js';
import { migrations, migrationTable, roles } from './migrations/index.js';
import type { Orm } from './orm.js';

const names = migrations.map(({ name }) => name);
const table = `${migrationTable.schema}.${migrationTable.name}`;

async function executedMigrations(sql: Sql): Promise<string[]> {
  try {
    return (await sql.query<{ name: string }>(`select name from ${table} order by id`)).map(({ name }) => name);
  } catch (error) {
    // No such schema or table: no migration has run.
    if (codeOf(error) === '3F000' || codeOf(error) === '42P01') return [];
    throw error;
  }
}

/**
 * Compares the database's schema with this code: `pending` migrations are only in the code, `unknown` ones only in the
 * database. In order.
 */
export async function compareSchema(sql: Sql): Promise<{ pending: string[]; unknown: string[] }> {
  const done = await executedMigrations(sql);
  return {
    pending: names.filter((name) => !done.includes(name)),
    unknown: done.filter((name) => !names.includes(name)),
  };
}

/** The migrations that the database lacks, in order. Every role may ask. */
export const pendingMigrations = async (sql: Sql): Promise<string[]> => (await compareSchema(sql)).pending;

/** The error text for a database that a newer version migrated. */
export const newerSchemaText = (unknown: readonly string[]): string =>
  `the database is newer than this version of Parley (it has ${unknown.join(', ')}): run the version that migrated it, or a later one`;

/** Runs the pending migrations, all or nothing, and lets every role read which ran. Returns their names. */
export async function runMigrations(orm: Orm): Promise<string[]> {
  const ran = await orm.migrator.up();
  const everybody = Object.values(roles).join(', ');
  await orm.em.getConnection().execute(`grant usage on schema ${migrationTable.schema} to ${everybody}`);
  await orm.em.getConnection().execute(`grant select on ${table} to ${everybody}`);
  return ran.map(({ name }) => name);
}

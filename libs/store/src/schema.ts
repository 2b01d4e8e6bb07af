import type { Sql } from './database.js';
import { codeOf } from './failures.js';
import { migrations, migrationTable, roles } from './migrations/index.js';
import type { Orm } from './orm.js';

const names = migrations.map(({ name }) => name);
const table = `${migrationTable.schema}.${migrationTable.name}`;

async function executed(sql: Sql): Promise<string[]> {
  try {
    return (await sql.query<{ name: string }>(`select name from ${table} order by id`)).map(({ name }) => name);
  } catch (error) {
    // No such schema or table: nothing ran yet.
    if (codeOf(error) === '3F000' || codeOf(error) === '42P01') return [];
    throw error;
  }
}

/** How the database's schema stands to this code: migrations that only the code has, and those that only the database has, in order. */
export async function compareSchema(sql: Sql): Promise<{ pending: string[]; unknown: string[] }> {
  const done = await executed(sql);
  return {
    pending: names.filter((name) => !done.includes(name)),
    unknown: done.filter((name) => !names.includes(name)),
  };
}

/** The migrations that this code has and the database lacks, in order. Needs no right but to read the table of migrations, which every role has. */
export const pendingMigrations = async (sql: Sql): Promise<string[]> => (await compareSchema(sql)).pending;

/** What people are told of a database that a newer version migrated. */
export const newer = (unknown: readonly string[]): string =>
  `the database is newer than this version of Parley (it has ${unknown.join(', ')}): run the version that migrated it, or a later one`;

/** Runs what is pending, all or nothing, and lets every role see what ran. Answers the names. */
export async function runMigrations(orm: Orm): Promise<string[]> {
  const ran = await orm.migrator.up();
  const everybody = Object.values(roles).join(', ');
  await orm.em.getConnection().execute(`grant usage on schema ${migrationTable.schema} to ${everybody}`);
  await orm.em.getConnection().execute(`grant select on ${table} to ${everybody}`);
  return ran.map(({ name }) => name);
}

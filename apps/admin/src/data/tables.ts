import type { Database, Sql } from '@parley/store';

export interface Table {
  /** `schema.name`, quoted. */
  readonly name: string;
  /**
   * An `order by` with the same result on Postgres and PGlite. It puts rows before others of the table that refer to them.
   */
  readonly order: string;
}

/** Rows that are read or stored at a time. */
export const BATCH_SIZE = 500;

/** All tables of the services, each before those that refer to it. */
export async function tablesOf(sql: Sql): Promise<Table[]> {
  const rows = await sql.query<{ name: string; keys: string[] | null; own: string[] | null; needs: string[] | null }>(`
    with ours as (
      select c.oid, format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where n.nspname in ('auth', 'chat', 'history') and c.relkind in ('r', 'p') and not c.relispartition)
    select ours.name,
      (select array_agg(format('%I', a.attname) order by position) from pg_constraint k, unnest(k.conkey) with ordinality as key(number, position)
        join pg_attribute a on a.attnum = key.number where k.conrelid = ours.oid and k.contype = 'p' and a.attrelid = ours.oid) as keys,
      (select array_agg(format('%I', a.attname)) from pg_constraint k, unnest(k.conkey) as key(number)
        join pg_attribute a on a.attnum = key.number where k.conrelid = ours.oid and k.confrelid = ours.oid and k.contype = 'f' and a.attrelid = ours.oid) as own,
      (select array_agg(distinct target.name) from pg_constraint k join ours target on target.oid = k.confrelid
        where k.conrelid = ours.oid and k.contype = 'f' and k.confrelid <> ours.oid) as needs
    from ours order by ours.name`);
  const sorted: typeof rows = [];
  while (sorted.length < rows.length) {
    const next = rows.find(
      (row) => !sorted.includes(row) && (row.needs ?? []).every((need) => sorted.some(({ name }) => name === need)),
    );
    if (!next) throw new Error('tables refer to each other in a circle');
    sorted.push(next);
  }
  return sorted.map(({ name, keys, own }) => ({
    name,
    order: [...(own ?? []).map((column) => `${column} nulls first`), ...(keys ?? [])].join(', ') || '1',
  }));
}

/** Runs `work` in one snapshot: everything that it reads is of one moment. */
export const snapshot = <T>(database: Database, work: (sql: Sql) => Promise<T>): Promise<T> =>
  database.transaction(work, { isolation: 'repeatable read', readOnly: true });

/**
 * The rows of a table as lines of JSON, in the table's order, a batch at a time. Both engines read and write them
 * without loss. Needs a transaction.
 */
export async function* rowsOf(sql: Sql, { name, order }: Table): AsyncGenerator<string[]> {
  // Times are written in UTC, whatever the server's zone.
  await sql.query(`set local timezone = 'UTC'`);
  await sql.query(
    `declare rows no scroll cursor for select row_to_json(t)::text as line from ${name} t order by ${order}`,
  );
  for (;;) {
    const rows = await sql.query<{ line: string }>(`fetch ${BATCH_SIZE} from rows`);
    if (rows.length === 0) break;
    yield rows.map(({ line }) => line);
  }
  await sql.query('close rows');
}

/** Stores rows that {@link rowsOf} read from a database with the same migrations. */
export async function storeRows(sql: Sql, { name }: Table, lines: readonly string[]): Promise<void> {
  if (lines.length > 0)
    await sql.query(`insert into ${name} select * from json_populate_recordset(null::${name}, $1::json)`, [
      `[${lines.join(',')}]`,
    ]);
}

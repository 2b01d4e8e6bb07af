import type { SqlEntityManager } from '@mikro-orm/postgresql';

/**
 * A row as both engines return it: bigint columns are numbers (they stay far below 2^53), `numeric` (so also `sum(bigint)`) is a string, timestamps are
 * Dates, json is parsed, bytea is a Buffer, arrays are arrays.
 */
export type Row = Record<string, unknown>;

/**
 * Runs SQL with `$1` parameters. Both engines are given the same text for a value: arrays become Postgres arrays (`$1::uuid[]`), plain objects become
 * JSON, Dates keep their milliseconds, byte arrays become bytea, undefined is null. A JSON array has to be given as `JSON.stringify(list)`.
 */
export interface Sql {
  query<T extends Row = Row>(text: string, parameters?: readonly unknown[], options?: QueryOptions): Promise<T[]>;
}

export interface QueryOptions {
  /**
   * Statements are parsed once per connection, and after some calls planned once, for parameters like those. False: planned for these parameters each time, which some need: where one word is in a
   * handful of rows and another in all of them.
   */
  readonly prepared?: boolean;
}

/** Of spans. */
export const system = { 'db.system.name': 'postgresql' };

export interface TransactionOptions {
  readonly isolation?: 'read committed' | 'repeatable read';
  readonly readOnly?: boolean;
}

/**
 * The database as a service sees it: Postgres under the service's own role, or PGlite. Both run the same SQL. An abstract class, so that Nest injects it by type.
 * Rejects with `Unavailable` when it cannot be reached, is read-only, full, shutting down, or too slow (what was under way may still have been
 * committed). Other errors are `SqlError`: they name the SQLSTATE and the constraint, never a value.
 */
export abstract class Database implements Sql {
  abstract query<T extends Row = Row>(
    text: string,
    parameters?: readonly unknown[],
    options?: QueryOptions,
  ): Promise<T[]>;
  /**
   * One transaction (READ COMMITTED unless `isolation` says otherwise). Serialization failures and deadlocks (40001, 40P01) are retried here, at most
   * 3 times: `work` may run again. `work` uses only the `sql` it is given: PGlite has one connection, so the database itself would wait for ever.
   */
  abstract transaction<T>(work: (sql: Sql) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /**
   * One transaction with MikroORM's entities: a fresh identity map, flushed before the commit. Retried like {@link transaction}. For paths where comfort
   * counts more than speed; on PGlite one such call runs at a time.
   */
  abstract entities<T>(work: (em: SqlEntityManager) => Promise<T>): Promise<T>;
  /** undefined when the last contact succeeded, otherwise what went wrong, for people. While there is a problem the database is probed every second. */
  abstract problem(): string | undefined;
  /** Waits for what is under way, then closes. Later calls reject with `Unavailable`. */
  abstract close(): Promise<void>;
}

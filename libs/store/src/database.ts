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

/** Options of one statement. */
export interface QueryOptions {
  /**
   * Default: true. A prepared statement is parsed once per connection and, after some calls, planned once for all parameters. False: planned for its parameters each time, for statements whose
   * best plan depends on them, such as a search for a rare or a frequent word.
   */
  readonly prepared?: boolean;
}

/** Attributes of the spans of statements and transactions. */
export const spanAttributes = { 'db.system.name': 'postgresql' };

/** Options of one transaction. Default: `read committed`, and it may write. */
export interface TransactionOptions {
  readonly isolation?: 'read committed' | 'repeatable read';
  readonly readOnly?: boolean;
}

/**
 * A service's database: Postgres under the service's own role, or PGlite. Both run the same SQL. An abstract class, so that Nest injects it by type.
 * Rejects with `Unavailable` when the database cannot be reached, is read-only, full, shutting down, or too slow; the work may still have been committed.
 * Other errors of the database are `SqlError`: they name the SQLSTATE and the constraint, never a value.
 */
export abstract class Database implements Sql {
  abstract query<T extends Row = Row>(
    text: string,
    parameters?: readonly unknown[],
    options?: QueryOptions,
  ): Promise<T[]>;
  /**
   * One transaction (READ COMMITTED unless `isolation` says otherwise). Serialization failures and deadlocks (40001, 40P01) are retried here, at most
   * 3 times, so `work` may run again. `work` must use only its `sql`: PGlite has one connection, so using the database itself would wait forever.
   */
  abstract transaction<T>(work: (sql: Sql) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /**
   * One transaction with MikroORM's entities: a fresh identity map, flushed before the commit. Retried like {@link transaction}. For paths that are not hot
   * (ADR 27).
   */
  abstract entities<T>(work: (em: SqlEntityManager) => Promise<T>): Promise<T>;
  /**
   * Undefined when the database was reached at the last attempt; otherwise the reason, for operators. While there is a
   * problem, the database is probed every second.
   */
  abstract problem(): string | undefined;
  /** Waits for work under way, then closes. Later calls reject with `Unavailable`. */
  abstract close(): Promise<void>;
}

import type { Unavailable } from '@parley/service-kit';

/** A row as the driver returns it: bigint columns are numbers (they stay far below 2^53), timestamps are Dates, jsonb is parsed. */
export type Row = Record<string, unknown>;

/** Runs SQL with `$1` parameters. Arrays are passed as Postgres arrays (`$1::uuid[]`). */
export interface Sql {
  query<T extends Row = Row>(text: string, parameters?: readonly unknown[]): Promise<T[]>;
}

/**
 * The database as a service sees it: Postgres under the service's own role, or PGlite. Both run the same SQL.
 * Rejects with {@link Unavailable} when it cannot be reached, is read-only, shutting down, or too slow.
 */
export interface Database extends Sql {
  /** One transaction (READ COMMITTED unless `isolation` says otherwise). Serialization failures and deadlocks (40001, 40P01) are retried here, at most 3 times: `work` may run again. */
  transaction<T>(work: (sql: Sql) => Promise<T>, options?: { isolation?: 'read committed' | 'repeatable read'; readOnly?: boolean }): Promise<T>;
  /** undefined when the last contact succeeded, otherwise what went wrong, for people. */
  problem(): string | undefined;
  close(): Promise<void>;
}

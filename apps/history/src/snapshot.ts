import type { Database, Sql } from '@parley/store';

/** Reads in one snapshot, for answers whose parts must fit together. */
export const inSnapshot = <T>(database: Database, work: (sql: Sql) => Promise<T>): Promise<T> =>
  database.transaction(work, { isolation: 'repeatable read', readOnly: true });

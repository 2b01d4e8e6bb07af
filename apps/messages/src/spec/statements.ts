import type { Database, Sql } from '@parley/store';

/**
 * A database that counts the statements that `counts` approves of. `asked` returns the count since its last call,
 * without `begin` and `commit`.
 */
export function countStatements(
  database: Database,
  counts: (text: string) => boolean,
): { database: Database; asked: () => number } {
  let count = 0;
  const counting = (sql: Sql): Sql => ({
    query: (text, parameters) => ((count += counts(text) ? 1 : 0), sql.query(text, parameters)),
  });
  const proxy = new Proxy(database, {
    get: (target, key) => {
      if (key === 'query') return counting(target).query;
      if (key === 'transaction')
        return (work: Parameters<Database['transaction']>[0], options: Parameters<Database['transaction']>[1]) =>
          target.transaction((sql) => work(counting(sql)), options);
      return Reflect.get(target, key) as unknown;
    },
  });
  return {
    database: proxy,
    asked: () => {
      const asked = count;
      count = 0;
      return asked;
    },
  };
}

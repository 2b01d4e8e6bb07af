import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import type { Database } from '../database.js';
import { memoryDatabase } from '../spec/databases.js';

let database: Database;
beforeAll(async () => {
  database = await memoryDatabase();
});
afterEach(() => vi.useRealTimers());
afterAll(() => database.close());

it('prepares a statement again after a minute, so that its plan fits the present tables', async () => {
  const text = 'select count(*) from chat.message where id = $1::uuid';
  const prepared = () =>
    database.query<{ name: string }>('select name from pg_prepared_statements where statement = $1', [text]);
  const run = () => database.query(text, ['01900000-0000-7000-8000-000000000000']);
  vi.useFakeTimers({ toFake: ['Date'] });
  await run();
  const [first] = await prepared();
  vi.advanceTimersByTime(50_000);
  await run();
  expect(await prepared()).toEqual([first]);
  vi.advanceTimersByTime(20_000);
  await run();
  const second = await prepared();
  expect(second).toHaveLength(1);
  expect(second).not.toEqual([first]);
});

it('a long statement does not block the event loop', async () => {
  let [turns, done] = [0, false];
  const long = database.query('select count(*) from generate_series(1, 1000000)').finally(() => (done = true));
  while (!done) {
    await new Promise((resolve) => setImmediate(resolve));
    turns++;
  }
  expect(await long).toEqual([{ count: 1_000_000 }]);
  expect(turns).toBeGreaterThan(100);
});

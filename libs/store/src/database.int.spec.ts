import { newId } from '@parley/contracts';
import { Unavailable } from '@parley/service-kit';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { Database } from './database.js';
import { UserEntity } from './entities/index.js';
import { SqlError } from './failures.js';
import { memoryDatabase, SpecDatabase } from './spec/databases.js';

const raise = (code: string) => `do $$ begin raise exception using errcode = '${code}', message = 'made up'; end $$`;
const newUser = (username: string) => ({
  id: newId(),
  username,
  displayName: username,
  kind: 'person' as const,
  foldedName: username,
  createdAt: new Date(),
});

const engines = {
  Postgres: async () => {
    const own = await SpecDatabase.create(inject('servers').databaseUrl);
    return { database: await own.connect('auth'), close: () => own.drop() };
  },
  PGlite: async () => {
    const database = await memoryDatabase();
    return { database, close: () => database.close() };
  },
};

describe.each(Object.entries(engines))('a database on %s', (_engine, open) => {
  let database: Database;
  let close: () => Promise<void>;
  beforeAll(async () => {
    ({ database, close } = await open());
  });
  afterAll(() => close());

  it('writes and reads values of every type the same', async () => {
    const at = new Date('2024-02-29T23:59:59.987Z');
    const strange = ['a "quoted" \\ one', 'NULL', '', '{x,y}', 'ünï\n😀', null];
    const [row] = await database.query(
      `select $1::bigint as big, $2::timestamptz as at, $3::jsonb as json, $4::uuid[] as ids, $5::text[] as texts, $6::bigint[] as bigs, $7::bytea as bytes,
              $8::boolean as yes, $9::text as nothing, $10::timestamptz[] as times, $11::int as small, $12::text as words, sum($1::bigint) as total, $13::jsonb as list`,
      [
        2 ** 50,
        at,
        { a: [1, { b: null }] },
        ['01900000-0000-7000-8000-000000000000'],
        strange,
        [1, null, 3],
        new Uint8Array([0, 1, 255]),
        false,
        undefined,
        [at],
        -5,
        strange[0],
        JSON.stringify([1, 'two']),
      ],
    );
    expect(row).toEqual({
      big: 2 ** 50,
      at,
      json: { a: [1, { b: null }] },
      ids: ['01900000-0000-7000-8000-000000000000'],
      texts: strange,
      bigs: [1, null, 3],
      bytes: Buffer.from([0, 1, 255]),
      yes: false,
      nothing: null,
      times: [at],
      small: -5,
      words: strange[0],
      total: String(2 ** 50),
      list: [1, 'two'],
    });
  });

  it('commits nothing of a transaction that throws', async () => {
    const [kept, lost] = [newUser('kept'), newUser('lost')];
    const insert = `insert into auth."user" (id, username, display_name, kind) values ($1, $2, $2, 'guest')`;
    await database.transaction((sql) => sql.query(insert, [kept.id, 'kept']));
    const failing = database.transaction(async (sql) => {
      await sql.query(insert, [lost.id, 'lost']);
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    expect(await database.query(`select username from auth."user" where username in ('kept', 'lost')`)).toEqual([
      { username: 'kept' },
    ]);
  });

  it('commits nothing and throws when the transaction ignored a failed statement', async () => {
    const careless = database.transaction(async (sql) => {
      await sql.query(
        `insert into auth."user" (id, username, display_name, kind) values ($1, 'careless', 'careless', 'guest')`,
        [newId()],
      );
      await sql.query('select 1 / 0').catch(() => undefined);
    });
    await expect(careless).rejects.toThrow('nothing was committed');
    expect(await database.query(`select username from auth."user" where username = 'careless'`)).toEqual([]);
  });

  it('keeps one snapshot in a repeatable read', async () => {
    const settings = await database.transaction(
      (sql) =>
        sql.query(
          `select current_setting('transaction_isolation') as isolation, current_setting('transaction_read_only') as ro`,
        ),
      { isolation: 'repeatable read', readOnly: true },
    );
    expect(settings).toEqual([{ isolation: 'repeatable read', ro: 'on' }]);
    const writing = database.transaction((sql) => sql.query(`delete from auth."user"`), { readOnly: true });
    await expect(writing).rejects.toThrow(Unavailable);
    expect(await database.query('select 1 as one')).toEqual([{ one: 1 }]);
    expect(database.problem()).toBeUndefined();
  });

  it.each(['40001', '40P01'])('retries a transaction after %s, at most three times', async (code) => {
    let runs = 0;
    const attempt = (failures: number) =>
      database.transaction(async (sql) => {
        if (++runs <= failures) await sql.query(raise(code));
        return runs;
      });
    expect(await attempt(3)).toBe(4);
    runs = 0;
    await expect(attempt(4)).rejects.toThrow(Unavailable);
    expect(runs).toBe(4);
    expect(database.problem()).toBeUndefined();
  });

  it.each(['57P01', '57P03', '53300', '53100', '25006', '08006'])(
    'is unavailable after %s until the next success',
    async (code) => {
      await expect(database.query(raise(code))).rejects.toThrow(Unavailable);
      expect(database.problem()).toContain('made up');
      await database.query('select 1');
      expect(database.problem()).toBeUndefined();
    },
  );

  it('names the violated constraint without values', async () => {
    const secret = 'do-not-log-this';
    const insert = `insert into auth.session (id, user_id, device_name, expires_at) values ($1, $1, $2, now())`;
    const error: unknown = await database.query(insert, [newId(), secret]).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SqlError);
    expect(error).toMatchObject({ code: '23503', constraint: 'session_user_id_fkey', table: 'session' });
    const bad: unknown = await database
      .query(`insert into auth."user" (id, username, display_name, kind) values ($1, $2, $2, 'alien')`, [
        newId(),
        secret,
      ])
      .catch((reason: unknown) => reason);
    expect(bad).toMatchObject({ code: '23514', constraint: 'user_kind_check' });
    for (const each of [error, bad] as Error[])
      expect(JSON.stringify(Object.entries(each)) + each.message + each.stack).not.toContain(secret);
  });

  it('runs a failed statement again, inside and outside of a transaction', async () => {
    const divide = 'select 10 / $1::int as result';
    for (const parameter of ['0', 'x'])
      await expect(database.query(divide, [parameter])).rejects.toBeInstanceOf(SqlError);
    await expect(database.transaction((sql) => sql.query(divide, [0]))).rejects.toMatchObject({ code: '22012' });
    expect(await database.query(divide, [5])).toEqual([{ result: 2 }]);
    expect(await database.transaction((sql) => Promise.all([2, 10].map((by) => sql.query(divide, [by]))))).toEqual([
      [{ result: 5 }],
      [{ result: 1 }],
    ]);
    expect(await database.query('select 1 as one where $1::int is null', [7])).toEqual([]);
  });

  it('does not keep a statement prepared with `prepared: false`', async () => {
    const text = 'select $1::int + 1000000 as sum';
    const options = { prepared: false };
    const runs = [
      () => database.query(text, [1], options),
      () => database.transaction((sql) => sql.query(text, [1], options)),
    ];
    for (const run of [...runs, ...runs]) expect(await run()).toEqual([{ sum: 1_000_001 }]);
    expect(
      await database.query('select name from pg_prepared_statements where statement = $1 and name <> $2', [text, '']),
    ).toEqual([]);
  });

  it('runs more different statements than it keeps prepared', async () => {
    const numbers = Array.from({ length: 600 }, (_, n) => n);
    for (const n of [...numbers, ...numbers.slice(0, 5)])
      expect(await database.query(`select $1::int + ${n} as sum`, [1])).toEqual([{ sum: n + 1 }]);
    const [kept] = await database.query<{ count: number }>('select count(*) from pg_prepared_statements');
    expect(kept!.count).toBeLessThan(300);
  });

  it('runs entities in separate transactions, beside other work', async () => {
    const users = Array.from({ length: 12 }, (_, at) => newUser(`mixed${at}`));
    const outcomes = await Promise.allSettled([
      ...users.map((user, at) =>
        database.entities(async (em) => {
          em.create(UserEntity, user);
          await em.flush();
          expect(await em.count(UserEntity, { username: user.username })).toBe(1);
          if (at % 3 === 0) throw new Error('rolled back');
        }),
      ),
      ...users.map(() => database.transaction(async (sql) => sql.query(`select pg_sleep(0.005)`))),
    ]);
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(4);
    const rows = await database.query<{ username: string }>(
      `select username from auth."user" where username like 'mixed%' order by length(username), username`,
    );
    expect(rows.map(({ username }) => username)).toEqual(
      users.map(({ username }) => username).filter((_, at) => at % 3 !== 0),
    );
  });

  it('closes after the work under way', async () => {
    const { database: brief, close: end } = await open();
    const working = brief.transaction(async (sql) => {
      await sql.query('select pg_sleep(0.1)');
      return sql.query('select 1 as one');
    });
    const closing = brief.close();
    const late = [brief.query('select 1'), brief.transaction(async () => 1), brief.entities(async () => 1)];
    for (const call of late) await expect(call).rejects.toThrow(Unavailable);
    expect(await working).toEqual([{ one: 1 }]);
    await closing;
    await end();
  });

  it('reads and writes entities with the same values as rows', async () => {
    const user = newUser('entity');
    await database.entities(async (em) => void em.create(UserEntity, user));
    const read = await database.entities((em) => em.findOneOrFail(UserEntity, { username: 'entity' }));
    expect(read).toMatchObject({ ...user, avatarId: null });
    expect(await database.query(`select id, created_at from auth."user" where username = 'entity'`)).toEqual([
      { id: user.id, created_at: user.createdAt },
    ]);
    const twice = database.entities(async (em) => void em.create(UserEntity, newUser('entity')));
    await expect(twice).rejects.toMatchObject({ name: 'SqlError', code: '23505', constraint: 'user_username_key' });
  });
});

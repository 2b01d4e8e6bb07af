import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createLogger, StartError, Unavailable } from '@parley/service-kit';
import { eventually, TcpProxy } from '@parley/testing';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { migrate } from './migrate.js';
import { migrations } from './migrations/index.js';
import { connectPostgres } from './postgres.js';
import { pendingMigrations } from './schema.js';
import { SpecDatabase } from './spec/databases.js';

const logger = createLogger('spec', 'silent');
const lineOf = async (starting: Promise<unknown>): Promise<string> => {
  const error: unknown = await starting.then(
    () => new Error('it started'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(StartError);
  expect((error as Error).message).not.toContain('\n');
  return (error as Error).message;
};

describe('connecting to Postgres', () => {
  it('fails with one line, without the password, if nothing answers', async () => {
    const line = await lineOf(connectPostgres({ url: 'postgres://me:hunter22@127.0.0.1:9/parley', logger }));
    expect(line).toMatch(/127\.0\.0\.1:9\/parley cannot be used: .*ECONNREFUSED/);
    expect(line).not.toContain('hunter22');
  });

  it('fails when the server accepts the connection and stays silent', async () => {
    const proxy = await TcpProxy.to(inject('servers').databaseUrl);
    proxy.swallow('up', 'down');
    await lineOf(connectPostgres({ url: proxy.url(inject('servers').databaseUrl), acquireTimeoutMs: 500, logger }));
    await proxy.close();
  });

  it('fails with one line when the database is missing', async () => {
    const url = new URL(inject('servers').databaseUrl);
    url.pathname = '/nobody_made_this';
    expect(await lineOf(connectPostgres({ url: url.href, logger }))).toContain('does not exist');
  });
});

const names = migrations.map(({ name }) => name);

describe('migrations on Postgres', () => {
  let own: SpecDatabase;
  beforeAll(async () => {
    own = await SpecDatabase.create(inject('servers').databaseUrl, { migrated: false });
  });
  afterAll(() => own.drop());

  it('are reported missing, then run once by concurrent jobs, then reported complete', async () => {
    expect(await lineOf(connectPostgres({ url: own.url, logger }))).toContain(`needs migration (${names.join(', ')})`);
    const ran = await Promise.all(Array.from({ length: 4 }, () => migrate({ url: own.url, logger })));
    expect(ran.flat()).toEqual(names);
    expect(await pendingMigrations(await own.connect('history'))).toEqual([]);
  });

  it('of a newer version stop services and the job', async () => {
    const owner = await own.connect();
    await owner.query(`insert into parley.migration (name) values ('0099-from-tomorrow')`);
    for (const start of [connectPostgres, migrate]) {
      expect(await lineOf(start({ url: own.url, logger }))).toMatch(/newer than this version .*0099-from-tomorrow/);
    }
    await owner.query(`delete from parley.migration where name = '0099-from-tomorrow'`);
  });

  it('run as a job set the roles’ passwords', async () => {
    const job = (env: Record<string, string>) =>
      promisify(execFile)(process.execPath, [join(import.meta.dirname, '../dist/migrate-job.js')], {
        env: { PATH: process.env['PATH'] ?? '', ...env },
      });
    const password = `it's "quoted" \\ ${Math.random()}`;
    const { stdout } = await job({ DATABASE_URL: own.url, AUTH_DB_PASSWORD: password });
    expect(stdout).toContain('up to date');
    expect(stdout).not.toContain(password);
    const url = new URL(own.url);
    url.username = 'parley_auth';
    url.password = encodeURIComponent(password);
    const database = await connectPostgres({ url: url.href, logger });
    expect(await database.query('select current_user::text as me')).toEqual([{ me: 'parley_auth' }]);
    await database.close();
    const failed = await job({ DATABASE_URL: 'postgres://nobody:hunter22@127.0.0.1:9/x' }).catch(
      (error: unknown) => error,
    );
    expect(failed).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^migrate: the database at 127\.0\.0\.1:9\/x cannot be migrated: .*\n$/),
    });
    expect((failed as { stderr: string }).stderr).not.toContain('hunter22');
  });
});

describe('a connected Postgres', () => {
  let own: SpecDatabase;
  beforeAll(async () => {
    own = await SpecDatabase.create(inject('servers').databaseUrl);
  });
  afterAll(() => own.drop());

  it('is unavailable only to the work whose connection ends', async () => {
    const database = await own.connect('auth', { poolSize: 2 });
    const sleeping = database.query('select pg_sleep(30)');
    const writing = database.transaction(async (sql) => {
      await sql.query(
        `insert into auth."user" (id, username, display_name, kind) values (gen_random_uuid(), 'halfway', 'x', 'guest')`,
      );
      await sql.query('select pg_sleep(30)');
    });
    const failures = Promise.allSettled([sleeping, writing]);
    await eventually(
      async () =>
        (
          await own.administer(`select 1 from pg_stat_activity where datname = $1 and query like '%pg_sleep(30)%'`, [
            own.name,
          ])
        ).length === 2,
    );
    await own.cut();
    for (const failure of await failures)
      expect(failure).toMatchObject({ status: 'rejected', reason: { name: 'Unavailable' } });
    expect(database.problem()).toBeTypeOf('string');
    expect(await database.query(`select count(*) as n from auth."user" where username = 'halfway'`)).toEqual([
      { n: 0 },
    ]);
    expect(database.problem()).toBeUndefined();
  });

  it('survives the end of idle connections', async () => {
    const database = await own.connect('auth', { poolSize: 3 });
    await Promise.all([1, 2, 3].map(() => database.query('select pg_sleep(0.05)')));
    expect(await own.cut()).toBeGreaterThanOrEqual(3);
    await eventually(() => database.query('select 1'), { timeoutMs: 2000 });
  });

  it('notices automatically that the server is back', async () => {
    const proxy = await TcpProxy.to(own.url);
    const database = await own.connect('auth', { url: proxy.url(own.url), acquireTimeoutMs: 500 });
    proxy.refuse();
    await expect(database.query('select 1')).rejects.toThrow(Unavailable);
    expect(database.problem()).toBeTypeOf('string');
    proxy.heal();
    await eventually(() => database.problem() === undefined, { timeoutMs: 5000 });
    await database.close();
    await proxy.close();
  });

  it('is unavailable when the server falls silent in a transaction', async () => {
    const proxy = await TcpProxy.to(own.url);
    const database = await own.connect('auth', {
      url: proxy.url(own.url),
      statementTimeoutMs: 300,
      acquireTimeoutMs: 500,
    });
    await database.query('select 1');
    const stuck = database.transaction(async (sql) => {
      await sql.query('select 1');
      proxy.swallow('up', 'down');
      await sql.query('select 2');
    });
    await expect(stuck).rejects.toThrow(Unavailable);
    proxy.heal();
    await eventually(() => database.query('select 1'));
    await database.close();
    await proxy.close();
  });

  it('gives up slow statements and locks, without reporting the database as down', async () => {
    const database = await own.connect('auth', { statementTimeoutMs: 200 });
    await expect(database.query('select pg_sleep(20)')).rejects.toThrow(Unavailable);
    expect(database.problem()).toBeUndefined();
  });

  it('limits the wait for a connection', async () => {
    const database = await own.connect('auth', { poolSize: 1, acquireTimeoutMs: 200 });
    const holding = database.query('select pg_sleep(1)');
    await expect(database.query('select 1')).rejects.toThrow(Unavailable);
    await holding;
    expect(await database.query('select 1 as one')).toEqual([{ one: 1 }]);
  });

  it('is unavailable while read-only', async () => {
    await own.administer(`alter database ${own.name} set default_transaction_read_only = on`);
    const database = await own.connect('auth');
    await expect(database.query(`delete from auth."user"`)).rejects.toThrow(Unavailable);
    expect(database.problem()).toContain('read-only');
    await own.administer(`alter database ${own.name} reset default_transaction_read_only`);
  });

  it('resolves a deadlock by retrying: both transactions commit', async () => {
    const database = await own.connect('auth');
    const [one, two] = ['01900000-0000-7000-8000-000000000001', '01900000-0000-7000-8000-000000000002'];
    for (const id of [one, two])
      await database.query(`insert into auth."user" (id, username, display_name, kind) values ($1, $2, '0', 'guest')`, [
        id,
        id,
      ]);
    const bump = `update auth."user" set display_name = (display_name::int + 1)::text where id = $1`;
    let arrived = 0;
    const both = async (ids: readonly string[]) =>
      database.transaction(async (sql) => {
        await sql.query(bump, [ids[0]]);
        arrived++;
        await eventually(() => arrived >= 2);
        await sql.query(bump, [ids[1]]);
      });
    await Promise.all([both([one, two]), both([two, one])]);
    expect(arrived).toBe(3);
    expect(
      await database.query(`select display_name from auth."user" where id = any($1::uuid[])`, [[one, two]]),
    ).toEqual([{ display_name: '2' }, { display_name: '2' }]);
  });

  it('continues after a migration changed the tables of its prepared statements', async () => {
    const [owner, database] = [await own.connect(), await own.connect(undefined, { poolSize: 1 })];
    await owner.query('create table chat.changing (id int)');
    const read = () => database.query('select * from chat.changing where id >= $1', [0]);
    await read();
    await owner.query('alter table chat.changing add column more text');
    await owner.query('insert into chat.changing values (1, $1)', ['x']);
    await eventually(read, { timeoutMs: 2000 });
    expect(await read()).toEqual([{ id: 1, more: 'x' }]);
    await owner.query('drop table chat.changing');
  });

  it('refuses work after closing', async () => {
    const database = await own.connect('auth');
    await database.close();
    await expect(database.query('select 1')).rejects.toThrow(Unavailable);
    await database.close();
  });
});

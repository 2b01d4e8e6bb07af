import { createLogger, StartError, Unavailable } from '@parley/service-kit';
import { PgBouncer, startPostgres, type PrivateServer } from '@parley/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from './database.js';
import { UserEntity } from './entities/index.js';
import { migrate } from './migrate.js';
import { connectPostgres } from './postgres.js';

const logger = createLogger('spec', 'silent');
const password = 'of-auth';

describe('a service behind PgBouncer in transaction mode', () => {
  let server: PrivateServer;
  let bouncer: PgBouncer;
  let database: Database;
  const asAuth = () => Object.assign(new URL(server.url), { username: 'parley_auth', password }).href;
  const connect = (parameters: string, role?: string) =>
    connectPostgres({
      url: `${bouncer.through(asAuth())}${parameters}`,
      logger,
      poolSize: 8,
      ...(role !== undefined && { role }),
    });

  beforeAll(async () => {
    server = await startPostgres();
    await migrate({ url: server.url, passwords: { auth: password }, logger });
    bouncer = await PgBouncer.start({ databaseUrl: server.url, accounts: { parley_auth: password }, poolSize: 2 });
    database = await connect('?pgbouncer=true');
  });
  afterAll(async () => {
    await database.close();
    await bouncer.stop();
    await server.stop();
  });

  it('has to say so, because PgBouncer refuses the settings of a direct connection', async () => {
    await expect(connect('')).rejects.toThrow(/cannot be used: unsupported startup parameter/);
    await expect(connect('?pgbouncer=false')).rejects.toThrow(StartError);
  });

  it('runs the same statements on whichever connections to the server it gets', async () => {
    const pids = new Set<number>();
    const once = async (n: number) => {
      const [row] = await database.query<{ n: number; pid: number }>(
        'select $1::int as n, pg_backend_pid() as pid, pg_sleep(0.01)',
        [n],
      );
      expect(row!.n).toBe(n);
      pids.add(row!.pid);
    };
    for (let round = 0; round < 5; round++) await Promise.all(Array.from({ length: 16 }, (_, n) => once(n)));
    expect(pids.size).toBe(2);
  });

  it('keeps each transaction on one connection, with statements of all kinds', async () => {
    const name = (n: number) => `someone-${n}`;
    await Promise.all(
      Array.from({ length: 16 }, (_, n) =>
        database.transaction(async (sql) => {
          const pid = async () => (await sql.query<{ pid: number }>('select pg_backend_pid() as pid'))[0]!.pid;
          const before = await pid();
          await sql.query('select pg_advisory_xact_lock($1)', [n % 2]);
          await sql.query(
            `insert into auth."user" (id, username, display_name, kind) values (gen_random_uuid(), $1, $1, 'guest')`,
            [name(n)],
          );
          expect(await pid()).toBe(before);
        }),
      ),
    );
    const found = await Promise.all(
      Array.from({ length: 16 }, (_, n) => database.entities((em) => em.findOne(UserEntity, { username: name(n) }))),
    );
    expect(found.map((entity) => entity?.username)).toEqual(Array.from({ length: 16 }, (_, n) => name(n)));
  });

  it('has the limits of a direct connection, by its role', async () => {
    const settings = async (from: Database) =>
      from.query(
        `select name, setting from pg_settings where name in ('statement_timeout', 'idle_in_transaction_session_timeout', 'jit') order by name`,
      );
    const direct = await connectPostgres({ url: asAuth(), logger });
    expect(await settings(database)).toEqual(await settings(direct));
    expect(await settings(database)).toContainEqual({ name: 'statement_timeout', setting: '5000' });
    await direct.close();
    await expect(database.query('select pg_sleep(30)')).rejects.toThrow(Unavailable);
    expect(database.problem()).toBeUndefined();
  });

  it('acts under its own account only', async () => {
    await expect(connect('?pgbouncer=true', 'parley_history')).rejects.toThrow(
      /one process for all of them connects without/,
    );
  });

  it('is not migrated through it', async () => {
    await expect(migrate({ url: `${bouncer.through(server.url)}?pgbouncer=true`, logger })).rejects.toThrow(
      'give it the address of the server itself, without pgbouncer=true',
    );
  });
});

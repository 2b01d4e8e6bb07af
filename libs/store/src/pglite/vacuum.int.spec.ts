import { Writable } from 'node:stream';
import { createLogger } from '@parley/service-kit';
import { eventually } from '@parley/testing';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openPglite, type PgliteDatabase } from './pglite.js';
import { vacuumDueTables, vacuumLimits } from './vacuum.js';

const silent = createLogger('spec', 'silent');
const TABLE = 'chat.conversation';

describe('the tables of embedded mode', () => {
  let template: Blob;
  let database: PgliteDatabase | undefined;
  beforeAll(async () => {
    const empty = await openPglite({ memory: true, logger: silent });
    template = await empty.dump();
    await empty.close();
  });
  afterEach(() => database?.close());

  /** A database with 2,000 conversations that were changed three times. */
  async function changed(options: { vacuumEveryMs?: number } = {}): Promise<PgliteDatabase> {
    database = await openPglite({ memory: true, template, logger: silent, ...options });
    await database.query(
      `insert into ${TABLE} (id, kind, visibility, created_by, created_at, active_at, rev, conversation_rev, members_rev, member_count)
       select gen_random_uuid(), 'group', 'private', gen_random_uuid(), now(), now(), 1, 1, 1, 1 from generate_series(1, 2000)`,
    );
    for (let n = 0; n < 3; n++) await change(database);
    return database;
  }
  const change = async (on: PgliteDatabase, which = 'true'): Promise<void> => {
    await on.query(`update ${TABLE} set active_at = active_at + interval '1 second' where ${which}`);
    // Otherwise the counts of dead rows follow within a second.
    await on.query('select pg_stat_force_next_flush()');
  };
  const sizeOf = async (on: PgliteDatabase): Promise<number> =>
    (await on.query<{ bytes: number }>(`select pg_total_relation_size('${TABLE}')::float8 as bytes`))[0]!.bytes;
  const deadRowsOf = async (on: PgliteDatabase): Promise<number> =>
    (
      await on.query<{ n: number }>(
        `select n_dead_tup::int as n from pg_stat_user_tables where relid = '${TABLE}'::regclass`,
      )
    )[0]!.n;

  it('grow no more with changes after a vacuum', async () => {
    const on = await changed();
    expect(await vacuumDueTables(on, silent)).toContain(TABLE);
    const size = await sizeOf(on);
    for (let n = 0; n < 12; n++) {
      await change(on);
      await vacuumDueTables(on, silent);
    }
    expect(await sizeOf(on)).toBeLessThanOrEqual(size * 2);
  });

  it('are vacuumed by themselves', async () => {
    const on = await changed({ vacuumEveryMs: 20 });
    await eventually(async () => expect(await deadRowsOf(on)).toBe(0), { timeoutMs: 20_000 });
  });

  it('are left alone while few rows have changed', async () => {
    const on = await changed();
    await vacuumDueTables(on, silent);
    await change(on, `id in (select id from ${TABLE} limit 100)`);
    expect(await vacuumDueTables(on, silent)).toEqual([]);
  });

  it('are frozen when their transactions are old', async () => {
    const on = await changed();
    const ageOf = async () =>
      (
        await on.query<{ age: number }>(
          `select age(relfrozenxid) as age from pg_class where oid = '${TABLE}'::regclass`,
        )
      )[0]!.age;
    expect(await ageOf()).toBeGreaterThan(3);
    await vacuumDueTables(on, silent, { ...vacuumLimits, freezeAge: 3 });
    expect(await ageOf()).toBeLessThanOrEqual(3);
  });

  it('are reported when they are too large for it', async () => {
    const on = await changed();
    let log = '';
    const stream = new Writable({
      write(chunk: Buffer, _encoding, done) {
        log += chunk.toString();
        done();
      },
    });
    const logger = createLogger('spec', 'info', stream);
    expect(await vacuumDueTables(on, logger, { ...vacuumLimits, maxBytes: 1000 })).not.toContain(TABLE);
    expect(log).toMatch(new RegExp(`"table":"${TABLE}".*too large to be vacuumed`));
  });
});

import { randomBytes } from 'node:crypto';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { createLogger, StartError } from '@parley/service-kit';
import { canMountDisks, eventually, SmallDisk } from '@parley/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { openPglite, type PgliteDatabase } from './pglite.js';

const logger = createLogger('spec', 'silent');
const bodies = (count: number): string[] => Array.from({ length: count }, () => randomBytes(4096).toString('hex'));

describe('a data folder whose database breaks', { timeout: 120_000 }, () => {
  let used: string;
  let database: PgliteDatabase | undefined;
  beforeAll(async () => {
    used = await mkdtemp(join(tmpdir(), 'parley-store-disk-'));
    const first = await openPglite({ dataDir: used, logger });
    await first.query('create table public.note (n int, body text)');
    await first.close();
  });
  afterEach(async () => {
    vi.useRealTimers();
    await database?.close();
    database = undefined;
  });
  afterAll(() => rm(used, { recursive: true, force: true }));

  describe.runIf(canMountDisks)('because its disk is full', () => {
    let disk: SmallDisk;
    beforeEach(async () => {
      disk = await SmallDisk.create(300);
    });
    afterEach(async () => {
      await database?.close();
      await disk.remove();
    });

    it.each([2, 7, 15])('at %i MB works again when there is room, with every acknowledged row', async (left) => {
      await cp(used, disk.path, { recursive: true });
      const open = (database = await openPglite({ dataDir: disk.path, logger }));
      await disk.fill(left);
      let acknowledged = 0;
      const write = () =>
        open.query('insert into public.note select $1, body from unnest($2::text[]) body', [1, bodies(40)]);
      for (let full = false; !full;)
        await write().then(
          () => (acknowledged += 40),
          (error: Error) => {
            expect(error).toMatchObject({ name: 'Unavailable', message: expect.stringMatching(/No space left/) });
            full = true;
          },
        );
      await expect(write()).rejects.toMatchObject({ name: 'Unavailable' });
      expect(open.lost()).toBeUndefined();

      await disk.makeRoom();
      await eventually(write, { timeoutMs: 30_000 });
      expect(open.problem()).toBeUndefined();
      const [row] = await open.query<{ n: number }>('select count(*) as n from public.note');
      expect(row!.n).toBe(acknowledged + 40);
    });

    it('at the first start is named, leaves nothing behind, and the next start works', async () => {
      await disk.fill(20);
      const error = await openPglite({ dataDir: disk.path, logger }).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(StartError);
      expect((error as Error).message).toMatch(/^the disk of the data folder .* is full \(\d+ MB are free/);
      expect((await readdir(disk.path)).filter((name) => !name.startsWith('.'))).toEqual([]);
      await disk.makeRoom();
      database = await openPglite({ dataDir: disk.path, logger });
    });

    it('at a later start is named, and nothing is lost', async () => {
      await cp(used, disk.path, { recursive: true });
      await disk.fill();
      await expect(openPglite({ dataDir: disk.path, logger })).rejects.toThrow(/is full \(0 MB are free/);
      await disk.makeRoom();
      database = await openPglite({ dataDir: disk.path, logger });
      expect(await database.query('select n from public.note')).toEqual([]);
    });
  });

  describe('because a statement does not end', () => {
    const endless = 'select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b';
    let folder: string;
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'parley-store-endless-'));
      await cp(used, folder, { recursive: true });
    });
    afterEach(async () => {
      await database?.close();
      await rm(folder, { recursive: true, force: true });
    });

    it('rejects it after its time limit, with everything that waits behind it, and works again', async () => {
      const open = (database = await openPglite({ dataDir: folder, logger, statementTimeoutMs: 500 }));
      await open.query('insert into public.note values (1)');
      const results = await Promise.allSettled([
        open.query(endless),
        open.query('select 1'),
        open.transaction(async (sql) => sql.query('insert into public.note values (2)')),
      ]);
      for (const result of results.slice(0, 2))
        expect(result).toMatchObject({ reason: { name: 'Unavailable', message: expect.stringMatching(/500 ms/) } });
      expect(results[2]!.status).toBe('rejected');
      await eventually(async () => expect(await open.query('select n from public.note')).toEqual([{ n: 1 }]), {
        timeoutMs: 30_000,
      });
    });

    it('rejects work with entities until it is open again', async () => {
      const open = (database = await openPglite({ dataDir: folder, logger, statementTimeoutMs: 500 }));
      const count = () => open.entities((em) => em.execute('select count(*) from public.note'));
      const [, ...waiting] = await Promise.allSettled([
        open.query(endless),
        count(),
        open.entities(async () => 'idle'),
      ]);
      for (const result of waiting) expect(result).toMatchObject({ reason: { name: 'Unavailable' } });
      await eventually(async () => expect(await count()).toEqual([{ count: 0 }]), { timeoutMs: 30_000 });
    });

    it('never continues a transaction in the database that was opened again', async () => {
      const log = new PassThrough().setEncoding('utf8');
      let logged = '';
      log.on('data', (text: string) => (logged += text));
      const open = (database = await openPglite({
        dataDir: folder,
        logger: createLogger('spec', 'warn', log),
        statementTimeoutMs: 500,
      }));
      await expect(
        open.transaction(async (sql) => {
          await sql.query('insert into public.note values (1)');
          await sql.query(endless).catch(() => undefined);
          await eventually(() => logged.includes('the database is open again'), { timeoutMs: 30_000 });
          await sql.query('insert into public.note values (2)');
        }),
      ).rejects.toMatchObject({ name: 'Unavailable' });
      await eventually(async () => expect(await open.query('select n from public.note')).toEqual([]), {
        timeoutMs: 30_000,
      });
    });

    it('closes all the same', async () => {
      const open = await openPglite({ dataDir: folder, logger });
      const running = open.query(endless).catch((error: unknown) => error);
      await open.close();
      expect(await running).toMatchObject({ name: 'Unavailable' });
    });

    it('and cannot be opened again is reported as lost after a minute', async () => {
      const open = (database = await openPglite({ dataDir: folder, logger, statementTimeoutMs: 500 }));
      vi.useFakeTimers({ toFake: ['Date'] });
      await rm(join(folder, 'database', 'global', 'pg_control'));
      await expect(open.query(endless)).rejects.toMatchObject({ name: 'Unavailable' });
      expect(open.lost()).toBeUndefined();
      await eventually(
        () => {
          vi.advanceTimersByTime(10_000);
          return open.lost() !== undefined;
        },
        // Measured by the clock that the test moves.
        { timeoutMs: 3_600_000 },
      );
    });
  });
});

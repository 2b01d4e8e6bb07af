import { spawn, type ChildProcess } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger, StartError } from '@parley/service-kit';
import { eventually } from '@parley/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { LOCK_FILE } from './folder-lock.js';
import { openPglite, type PgliteDatabase } from './pglite.js';

const logger = createLogger('spec', 'silent');
const built = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
/** Opens a folder, writes rows as fast as possible, and prints the number of each committed row. */
const writer = `
  const { openPglite } = await import(${built('../../dist/index.js')});
  const { createLogger } = await import(${built('../../../service-kit/dist/index.js')});
  // Ends with its parent process.
  process.stdin.resume().once('close', () => process.exit());
  try {
    const database = await openPglite({ dataDir: process.argv[1], logger: createLogger('child', 'silent') });
    console.log('open');
    for (let n = 1; process.argv[2] === 'write'; n++) {
      await database.query('insert into auth."user" (id, username, display_name, kind) values (gen_random_uuid(), $1, $1, $2)', ['row' + n, 'guest']);
      console.log('row ' + n);
    }
    setInterval(() => {}, 1000);
  } catch (error) {
    console.log(error.name + ': ' + error.message);
    process.exit(1);
  }`;

class Child {
  output = '';
  readonly process: ChildProcess;
  readonly ended: Promise<void>;
  constructor(folder: string, mode: 'hold' | 'write' = 'hold', identity: { uid?: number; gid?: number } = {}) {
    this.process = spawn(process.execPath, ['--input-type=module', '-e', writer, folder, mode], {
      stdio: ['pipe', 'pipe', 'inherit'],
      ...identity,
    });
    this.process.stdout!.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    this.ended = new Promise((resolve) => this.process.once('close', () => resolve()));
  }
  says = (what: string) => eventually(() => this.output.includes(what), { timeoutMs: 30_000 });
  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.ended;
  }
}

describe('a data folder', () => {
  let folder: string;
  /** A folder that was used before. Most cases begin with a copy, because the first start takes seconds. */
  let used: string;
  beforeAll(async () => {
    used = await mkdtemp(join(tmpdir(), 'parley-store-used-'));
    await (await openPglite({ dataDir: used, logger })).close();
  });
  afterAll(() => rm(used, { recursive: true, force: true }));
  const children: Child[] = [];
  const databases: PgliteDatabase[] = [];
  beforeEach(async () => {
    folder = join(await mkdtemp(join(tmpdir(), 'parley-store-')), 'data');
  });
  afterEach(async () => {
    await Promise.all(children.splice(0).map((child) => child.kill()));
    await Promise.all(databases.splice(0).map((database) => database.close()));
    await rm(join(folder, '..'), { recursive: true, force: true });
  });
  const child = (...args: ConstructorParameters<typeof Child>) => {
    const one = new Child(...args);
    children.push(one);
    return one;
  };
  const open = async () => {
    const database = await openPglite({ dataDir: folder, logger });
    databases.push(database);
    return database;
  };
  const refusal = async (): Promise<string> => {
    const error: unknown = await open().then(
      () => new Error('it opened'),
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(StartError);
    expect((error as Error).message).not.toContain('\n');
    return (error as Error).message;
  };
  /** A zombie: a child that has ended, whose parent never collects it. */
  let zombie: { pid: number; parent: ChildProcess };
  beforeAll(async () => {
    const parent = spawn('sh', ['-c', 'true & echo $!; exec sleep 300'], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    parent.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    await eventually(() => text.endsWith('\n'));
    zombie = { pid: Number(text), parent };
  });
  afterAll(() => void zombie.parent.kill());
  const lockOf = async () => JSON.parse(await readFile(join(folder, LOCK_FILE), 'utf8')) as Record<string, unknown>;

  it('keeps its rows after it was closed', async () => {
    const first = await open();
    await first.query(
      `insert into auth."user" (id, username, display_name, kind) values (gen_random_uuid(), 'stays', 'x', 'guest')`,
    );
    await first.close();
    expect((await readdir(folder)).toSorted()).toEqual(['database']);
    expect(await (await open()).query('select username from auth."user"')).toEqual([{ username: 'stays' }]);
  });

  const reuse = () => cp(used, folder, { recursive: true });

  it('opens again after its process was killed, with every acknowledged row', async () => {
    await reuse();
    const victim = child(folder, 'write');
    await victim.says('row 20\n');
    await victim.kill();
    const acknowledged = Number(victim.output.trim().split('\n').at(-1)!.split(' ')[1]);
    const database = await open();
    const [{ n }] = (await database.query<{ n: number }>('select count(*) as n from auth."user"')) as [{ n: number }];
    expect(n).toBeGreaterThanOrEqual(acknowledged);
    expect(n).toBeLessThanOrEqual(acknowledged + 1);
  });

  it('is built completely or not at all: after a killed first start it is built again', async () => {
    const victim = child(folder);
    await eventually(async () => (await readdir(folder)).includes('database.unfinished'));
    await victim.kill();
    expect(await readdir(folder)).not.toContain('database');
    expect(await (await open()).query('select count(*) as n from chat.epoch')).toEqual([{ n: 1 }]);
  });

  it('belongs to one process, which the error for another names', async () => {
    await reuse();
    const holder = child(folder);
    await holder.says('open');
    expect(await refusal()).toContain(`in use by process ${holder.process.pid}`);
    expect(await lockOf()).toMatchObject({ pid: holder.process.pid });
    await holder.kill();
    expect(await (await open()).query('select 1 as one')).toEqual([{ one: 1 }]);
  });

  it('is opened by one of several processes that start at once after a crash', async () => {
    await reuse();
    await writeFile(join(folder, LOCK_FILE), JSON.stringify({ pid: 2 ** 22 + 1, host: hostname(), token: 'dead' }));
    const racers = Array.from({ length: 3 }, () => child(folder));
    await Promise.all(
      racers.map((racer) => eventually(() => /open|StartError/.test(racer.output), { timeoutMs: 30_000 })),
    );
    expect(racers.filter((racer) => racer.output.startsWith('open'))).toHaveLength(1);
    expect(racers.filter((racer) => racer.output.startsWith('StartError: the data folder'))).toHaveLength(2);
  });

  it('is not opened twice in one process', async () => {
    await reuse();
    await open();
    expect(await refusal()).toContain(`in use by process ${process.pid}`);
  });

  it.each([
    ['its process is gone', () => ({ pid: 2 ** 22 + 1, host: hostname(), token: 'a' })],
    [
      'its process number was given to another since',
      () => ({ pid: process.ppid, startedAt: '1', host: hostname(), token: 'a' }),
    ],
    ['its process is a zombie', () => ({ pid: zombie.pid, host: hostname(), token: 'a' })],
    [
      'it names our own process number: that of the container before',
      () => ({ pid: process.pid, host: hostname(), token: 'a' }),
    ],
    ['it cannot be read', () => 'half a li'],
  ])('ignores a lock when %s', async (_why, lock) => {
    await reuse();
    await writeFile(
      join(folder, LOCK_FILE),
      JSON.stringify(lock()).slice(0, typeof lock() === 'string' ? 5 : undefined),
    );
    await open();
    expect(await lockOf()).toMatchObject({ pid: process.pid });
  });

  it('respects the lock of another host only while it is touched', async () => {
    await reuse();
    const path = join(folder, LOCK_FILE);
    await writeFile(path, JSON.stringify({ pid: 1, host: 'elsewhere', token: 'a' }));
    const beat = setInterval(() => void utimes(path, new Date(), new Date()), 500);
    expect(await refusal()).toContain('in use by process 1 on elsewhere');
    clearInterval(beat);
    await open();
  });

  it('refuses all work after its lock was taken over', async () => {
    await reuse();
    const database = await open();
    await writeFile(join(folder, LOCK_FILE), JSON.stringify({ pid: 1, host: 'elsewhere', token: 'b' }));
    await eventually(() => database.problem()?.includes('taken over') === true);
    await expect(database.query('select 1')).rejects.toThrow('taken over');
    expect(database.lost()).toContain('taken over');
    await database.close();
    expect(await lockOf()).toMatchObject({ token: 'b' });
  });

  it('is not touched if it contains other files', async () => {
    await mkdir(folder);
    await writeFile(join(folder, 'thesis.tex'), 'years of work');
    expect(await refusal()).toContain('thesis.tex');
    expect(await readdir(folder)).toEqual(['thesis.tex']);
  });

  it('is not touched if another version of Postgres wrote it, or if it cannot be read', async () => {
    await mkdir(join(folder, 'database'), { recursive: true });
    await writeFile(join(folder, 'database', 'PG_VERSION'), '15\n');
    expect(await refusal()).toContain('written by Postgres 15');
    await writeFile(join(folder, 'database', 'PG_VERSION'), '18\n');
    expect(await refusal()).toContain('cannot be opened');
    expect(await readdir(join(folder, 'database'))).toContain('PG_VERSION');
    await rm(join(folder, 'database', 'PG_VERSION'));
    expect(await readdir(folder)).not.toContain(LOCK_FILE);
  });

  it('of a newer version is not touched', async () => {
    await reuse();
    const database = await open();
    await database.query(`insert into parley.migration (name) values ('0099-from-tomorrow')`);
    await database.close();
    expect(await refusal()).toContain('0099-from-tomorrow');
  });

  it('is named in the error when it is a file or below one', async () => {
    await writeFile(folder, '');
    expect(await refusal()).toContain(`${folder} cannot be written`);
  });

  it.runIf(process.getuid?.() === 0)('that belongs to somebody else is named', async () => {
    await mkdir(folder, { mode: 0o755 });
    await chmod(join(folder, '..'), 0o755);
    const stranger = child(folder, 'hold', { uid: 65_534, gid: 65_534 });
    await stranger.says('cannot be written (EACCES)');
  });
});

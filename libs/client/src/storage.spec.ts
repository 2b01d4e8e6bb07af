import 'fake-indexeddb/auto';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { fileStorage } from './node.js';
import { indexedDbStorage, memoryStorage, tolerant, type ClientStorage } from './storage.js';

const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));
afterEach(() => void vi.unstubAllGlobals());
async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'parley-storage-'));
  folders.push(path);
  return join(path, 'deep', 'er');
}

const kinds: readonly (readonly [string, () => Promise<() => ClientStorage>])[] = [
  [
    'memory',
    async () => {
      const storage = memoryStorage();
      return () => storage;
    },
  ],
  [
    'IndexedDB',
    async () => {
      const name = `db-${Math.random()}`;
      return () => indexedDbStorage(name);
    },
  ],
  [
    'a folder',
    async () => {
      const path = await folder();
      return () => fileStorage(path);
    },
  ],
];

describe.each(kinds)('%s', (_name, make) => {
  it('keeps values, also when it is opened again', async () => {
    const open = await make();
    const storage = open();
    expect(await storage.get('a')).toBeUndefined();
    await storage.set('a', { text: 'ü', list: [1, 2] });
    await storage.set('a', { text: 'newer' });
    await storage.set('b', 1);
    await storage.delete('b');
    await storage.delete('never there');
    const again = open();
    expect(await again.get('a')).toEqual({ text: 'newer' });
    expect(await again.get('b')).toBeUndefined();
  });

  it('lists the entries of a prefix, sorted by key', async () => {
    const storage = (await make())();
    for (const key of ['outbox/ann/2', 'outbox/ann/10', 'outbox/anna/1', 'outbox/ann/1', 'session'])
      await storage.set(key, key);
    expect(await storage.entries('outbox/ann/')).toEqual(
      ['outbox/ann/1', 'outbox/ann/10', 'outbox/ann/2'].map((key) => [key, key]),
    );
  });

  it('runs work one at a time under a lock, also after a failure', async () => {
    const storage = (await make())();
    const steps: string[] = [];
    const work = (name: string, fails = false) =>
      storage.lock('refresh', async () => {
        steps.push(`${name} begins`);
        await new Promise<void>((resolve) => void setTimeout(resolve, 5));
        steps.push(`${name} ends`);
        if (fails) throw new Error(name);
      });
    const results = await Promise.allSettled([work('first', true), work('second'), work('third')]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
    expect(steps).toEqual(['first', 'second', 'third'].flatMap((name) => [`${name} begins`, `${name} ends`]));
  });
});

describe('IndexedDB without Web Locks', () => {
  it('runs the work of all tabs under a lock one at a time', async () => {
    vi.stubGlobal('navigator', {});
    const tabs = Array.from({ length: 4 }, () => indexedDbStorage('tabs'));
    let running = 0;
    const most = await Promise.all(
      tabs.map((tab) =>
        tab.lock('refresh', async () => {
          const now = ++running;
          await tab.set('work', now);
          running--;
          return now;
        }),
      ),
    );
    expect(most).toEqual([1, 1, 1, 1]);
  });

  it.each([
    ['that has expired', -1],
    ['from before the clock was set back', 3_600_000],
  ])('takes over a lock %s', async (_, ms) => {
    vi.stubGlobal('navigator', {});
    const storage = indexedDbStorage(`abandoned ${ms}`);
    await storage.set('lock/refresh', { holder: 'a tab that is gone', until: Date.now() + ms });
    expect(await storage.lock('refresh', async () => 'done')).toBe('done');
    expect(await storage.get('lock/refresh')).toBeUndefined();
  });
});

it('only the owner may read a folder', async () => {
  const path = await folder();
  await fileStorage(path).set('session', { accessToken: 'secret' });
  const [name] = await readdir(path);
  expect((await stat(path)).mode & 0o077).toBe(0);
  expect((await stat(join(path, name!))).mode & 0o077).toBe(0);
});

it('half a file counts as no value', async () => {
  const path = await folder();
  const storage = fileStorage(path);
  await storage.set('session', { accessToken: 'secret' });
  const [name] = await readdir(path);
  await writeFile(join(path, name!), '{"accessTo');
  expect(await storage.get('session')).toBeUndefined();
});

it('a storage that fails is replaced by memory', async () => {
  const fail = () => Promise.reject(new Error('quota'));
  const causes: unknown[] = [];
  const storage = tolerant(
    { get: fail, set: fail, delete: fail, entries: fail, lock: (_name, work) => work() },
    (cause) => causes.push(cause),
  );
  await storage.set('a', 1);
  expect(await storage.get('a')).toBe(1);
  expect(await storage.entries('a')).toEqual([['a', 1]]);
  await storage.delete('a');
  expect(await storage.get('a')).toBeUndefined();
  expect(causes).toHaveLength(5);
});

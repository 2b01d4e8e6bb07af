import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Locks, type ClientStorage } from './storage.js';

/** Longer than any work under a lock takes: whoever held one for that long is gone. */
const LOCK_MS = 60_000;
const AGAIN_MS = 50;

/**
 * Keeps a client's session and outbox in a folder, made when missing: one JSON file per value, replaced as a whole. It holds tokens: only its owner may read it. Processes of one machine may share it.
 */
export function fileStorage(folder: string): ClientStorage {
  const locks = new Locks();
  const writes = new Locks();
  const ready = mkdir(folder, { recursive: true, mode: 0o700 });
  ready.catch(() => undefined);
  const pathOf = (key: string) => join(folder, `${encodeURIComponent(key)}.json`);
  const get = async (key: string): Promise<unknown> => {
    try {
      return JSON.parse(await readFile(pathOf(key), 'utf8'));
    } catch (error) {
      // Half a file is what a crash left of an older version of this; a missing one is no value.
      if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  };
  return {
    get,
    set: (key, value) =>
      writes.run(key, async () => {
        await ready;
        const path = pathOf(key);
        const fresh = `${path}.${process.pid}.new`;
        await writeFile(fresh, JSON.stringify(value), { mode: 0o600, flush: true });
        await rename(fresh, path);
      }),
    delete: (key) => writes.run(key, () => rm(pathOf(key), { force: true })),
    async entries(prefix) {
      await ready;
      const keys = (await readdir(folder))
        .filter((name) => name.endsWith('.json'))
        .map((name) => decodeURIComponent(name.slice(0, -'.json'.length)));
      const all = await Promise.all(
        keys
          .filter((key) => key.startsWith(prefix))
          .toSorted()
          .map(async (key): Promise<[string, unknown]> => [key, await get(key)]),
      );
      // Another process may have deleted one meanwhile.
      return all.filter(([, value]) => value !== undefined);
    },
    lock: (name, work) =>
      locks.run(name, async () => {
        await ready;
        return alone(join(folder, `${encodeURIComponent(name)}.lock`), work);
      }),
  };
}

/** Runs `work` while no other process does under this path: the file there names whose turn it is. */
async function alone<T>(path: string, work: () => Promise<T>): Promise<T> {
  while (!(await taken(path))) await pause(AGAIN_MS);
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function taken(path: string): Promise<boolean> {
  try {
    await writeFile(path, String(process.pid), { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    if (await abandoned(path)) await rm(path, { force: true });
    return false;
  }
}

async function abandoned(path: string): Promise<boolean> {
  try {
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs > LOCK_MS) return true;
    const holder = Number(await readFile(path, 'utf8'));
    if (holder > 0) process.kill(holder, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

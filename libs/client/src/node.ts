import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Locks, type ClientStorage } from './storage.js';

/** Longer than any work under a lock takes: a lock file that is older is abandoned. */
const MAX_LOCK_MS = 60_000;
const LOCK_RETRY_MS = 50;

/**
 * Keeps a client's session and outbox in a folder, which is created if missing: one JSON file per value, always
 * replaced as a whole. The folder contains tokens, so only its owner may read it. Processes of one machine may share
 * it.
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
      // A missing file means no value. So does half a file, which older versions of the client left after a crash.
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
        const newPath = `${path}.${process.pid}.new`;
        await writeDurably(newPath, JSON.stringify(value));
        await rename(newPath, path);
      }),
    delete: (key) => writes.run(key, () => rm(pathOf(key), { force: true })),
    async entries(prefix) {
      await ready;
      const keys = (await readdir(folder))
        .filter((name) => name.endsWith('.json'))
        .map((name) => decodeURIComponent(name.slice(0, -'.json'.length)))
        .filter((key) => key.startsWith(prefix))
        .sort();
      const entries = await Promise.all(keys.map(async (key): Promise<[string, unknown]> => [key, await get(key)]));
      // Another process may have deleted one meanwhile.
      return entries.filter(([, value]) => value !== undefined);
    },
    lock: (name, work) =>
      locks.run(name, async () => {
        await ready;
        return withLockFile(join(folder, `${encodeURIComponent(name)}.lock`), work);
      }),
  };
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Runs `work` while a file at this path excludes other processes. The file contains the id of the process. */
async function withLockFile<T>(path: string, work: () => Promise<T>): Promise<T> {
  while (!(await tryLock(path))) await pause(LOCK_RETRY_MS);
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function tryLock(path: string): Promise<boolean> {
  try {
    await writeFile(path, String(process.pid), { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    if (await isAbandoned(path)) await rm(path, { force: true });
    return false;
  }
}

async function isAbandoned(path: string): Promise<boolean> {
  try {
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs > MAX_LOCK_MS) return true;
    const holder = Number(await readFile(path, 'utf8'));
    if (holder > 0) process.kill(holder, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

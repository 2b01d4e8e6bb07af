import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Locks, type ClientStorage } from './storage.js';

/**
 * Keeps a client's session and outbox in a folder, made when missing: one JSON file per value, replaced as a whole. It holds tokens: only its owner may read it. For one process at a time.
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
    set: (key, value) => writes.run(key, async () => {
      await ready;
      const path = pathOf(key);
      await writeFile(`${path}.new`, JSON.stringify(value), { mode: 0o600, flush: true });
      await rename(`${path}.new`, path);
    }),
    delete: (key) => writes.run(key, () => rm(pathOf(key), { force: true })),
    async entries(prefix) {
      await ready;
      const keys = (await readdir(folder)).filter((name) => name.endsWith('.json')).map((name) => decodeURIComponent(name.slice(0, -'.json'.length)));
      return Promise.all(keys.filter((key) => key.startsWith(prefix)).toSorted().map(async (key): Promise<[string, unknown]> => [key, await get(key)]));
    },
    lock: (name, work) => locks.run(name, work),
  };
}

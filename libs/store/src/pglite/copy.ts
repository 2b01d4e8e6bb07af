import { constants, type Stats } from 'node:fs';
import { copyFile, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Copies before the last one, which everybody waits for: each leaves less to be copied by the next. */
const EARLY_PASSES = 2;
/** A file that changed so recently may change again without another time of change. */
const CLOCK_TICK_MS = 2_000;
const CONCURRENCY = 16;

type Stamps = Map<string, { readonly stamp: string; readonly isSettled: boolean }>;

/**
 * Copies a folder that a process keeps changing, as it is at one moment: most of it before, and the files that changed
 * since while `pause` keeps the process from changing more. For a database, this is the state that a crash at that
 * moment would leave, from which it recovers.
 */
export async function copyWhileInUse(
  from: string,
  to: string,
  pause: (work: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const stamps: Stamps = new Map();
  for (let pass = 0; pass < EARLY_PASSES; pass++) await copyChanged(from, to, stamps);
  await pause(() => copyChanged(from, to, stamps));
}

async function copyChanged(from: string, to: string, stamps: Stamps): Promise<void> {
  await mkdir(to, { recursive: true });
  const entries = await readdir(from, { recursive: true, withFileTypes: true });
  const paths = entries.map((entry) => ({ entry, path: join(entry.parentPath, entry.name).slice(from.length + 1) }));
  // A folder before those in it.
  for (const { entry, path } of paths.toSorted((a, b) => a.path.length - b.path.length))
    if (entry.isDirectory()) await mkdir(join(to, path), { recursive: true });
  const files = paths.filter(({ entry }) => entry.isFile()).map(({ path }) => path);
  const present = new Set(files);
  for (const known of stamps.keys()) {
    if (present.has(known)) continue;
    await rm(join(to, known), { force: true });
    stamps.delete(known);
  }
  const queue = files.values();
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      for (const path of queue) await copyIfChanged(from, to, path, stamps);
    }),
  );
}

const stampOf = ({ ino, size, mtimeMs }: Stats): string => `${ino} ${size} ${mtimeMs}`;

async function copyIfChanged(from: string, to: string, path: string, stamps: Stamps): Promise<void> {
  try {
    const status = await stat(join(from, path));
    const [stamp, known] = [stampOf(status), stamps.get(path)];
    if (known?.stamp === stamp && known.isSettled) return;
    const isSettled = status.mtimeMs < Date.now() - CLOCK_TICK_MS;
    await copyFile(join(from, path), join(to, path), constants.COPYFILE_FICLONE);
    stamps.set(path, { stamp, isSettled });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    // Removed since it was listed.
    stamps.delete(path);
    await rm(join(to, path), { force: true });
  }
}

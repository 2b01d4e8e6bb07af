import { randomUUID } from 'node:crypto';
import { constants, readFileSync } from 'node:fs';
import { copyFile, link, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { StartError } from '@parley/service-kit';

/** The process that has a data folder open. */
interface Holder {
  readonly pid: number;
  /**
   * When the process started, in the kernel's ticks: distinguishes a reused pid. Absent where the system does not
   * provide it.
   */
  readonly startedAt?: string;
  readonly host: string;
  readonly token: string;
}

/** The name of the lock file in a data folder. */
export const LOCK_FILE = 'parley.lock';
const TOUCH_EVERY_MS = 2000;
/** Time for which another host's lock is watched for a touch. */
const WATCH_MS = 3 * TOUCH_EVERY_MS;
/** A lock of another host that was not touched for this long is abandoned without being watched. */
const ABANDONED_MS = 60_000;
/** Time after which a taken lock is checked again. */
const SETTLE_MS = 50;
/** Tokens of this process's locks. */
const ownTokens = new Set<string>();

/**
 * The fields of /proc/pid/stat after the process' name, which may contain any character: the state, …, the start time.
 * Empty on other systems than Linux.
 */
function statusOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
  } catch {
    return [];
  }
}
const startOf = (pid: number): string | undefined => statusOf(pid)[19];

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A zombie was killed, and its parent has not collected it yet.
    return statusOf(pid)[0] !== 'Z';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);
/**
 * Links the file to `path`, so that the lock appears whole. Fails with EEXIST when `path` exists. Copies on file
 * systems without links.
 */
async function linkOrCopy(file: string, path: string): Promise<void> {
  try {
    await link(file, path);
  } catch (error) {
    if (!NO_LINKS.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    await copyFile(file, path, constants.COPYFILE_EXCL);
  }
}

async function read(path: string, retries = 1): Promise<Holder | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Holder;
  } catch {
    // It may be being copied. A file that stays unreadable has no holder.
    if (retries === 0) return { pid: 0, host: hostname(), token: text };
  }
  await pause(SETTLE_MS);
  return read(path, retries - 1);
}

const touchedAt = async (path: string): Promise<number> => (await stat(path).catch(() => undefined))?.mtimeMs ?? 0;

/** A process of another host cannot be examined; while it lives it touches its lock. */
async function isTouched(path: string): Promise<boolean> {
  const before = await touchedAt(path);
  if (Date.now() - before > ABANDONED_MS) return false;
  for (const until = Date.now() + WATCH_MS; Date.now() < until; await pause(100)) {
    if ((await touchedAt(path)) !== before) return true;
  }
  return false;
}

async function isHeld(path: string, holder: Holder): Promise<boolean> {
  if (ownTokens.has(holder.token)) return true;
  if (holder.host !== hostname()) return isTouched(path);
  // The pid is our own and the lock is not: an earlier process had the same pid (in a container the first process
  // always has 1).
  if (holder.pid === process.pid || holder.pid <= 0 || !isAlive(holder.pid)) return false;
  return (
    holder.startedAt === undefined || startOf(holder.pid) === undefined || startOf(holder.pid) === holder.startedAt
  );
}

/** Removes a stale lock. If another process has replaced it meanwhile, its lock is put back. */
async function removeStale(path: string, stale: Holder): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  await rename(path, aside).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  if ((await read(aside))?.token !== stale.token) await linkOrCopy(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}

/** Another process has the data folder open. */
export class FolderInUse extends StartError {}

const inUse = (folder: string, { pid, host }: Holder) =>
  new FolderInUse(
    `the data folder ${folder} is in use by process ${pid}${host === hostname() ? '' : ` on ${host}`}: stop it first, or choose another DATA_DIR`,
  );

/** Reserves a data folder for one process. */
export class FolderLock {
  private readonly timer: NodeJS.Timeout;
  private lost = false;

  private constructor(
    private readonly path: string,
    private readonly token: string,
    private readonly onLost: () => void,
  ) {
    this.timer = setInterval(() => void this.touch(), TOUCH_EVERY_MS).unref();
  }

  /**
   * Takes the lock of `folder`, also after its holder was killed. Throws a `StartError` that names the holder while it
   * is held. Calls `onLost` once if another process takes the lock (in a folder shared between machines that cannot see
   * each other's processes).
   */
  static async take(folder: string, onLost: () => void): Promise<FolderLock> {
    const path = join(folder, LOCK_FILE);
    const startedAt = startOf(process.pid);
    const self: Holder = {
      pid: process.pid,
      host: hostname(),
      token: randomUUID(),
      ...(startedAt === undefined ? {} : { startedAt }),
    };
    const draft = `${path}.${self.token}`;
    await writeFile(draft, JSON.stringify(self));
    try {
      await FolderLock.claim(folder, path, draft);
      await pause(SETTLE_MS);
      const holder = await read(path);
      if (holder?.token !== self.token) throw inUse(folder, holder ?? self);
    } finally {
      await rm(draft, { force: true });
    }
    ownTokens.add(self.token);
    return new FolderLock(path, self.token, onLost);
  }

  private static async claim(folder: string, path: string, draft: string): Promise<void> {
    for (;;) {
      try {
        return await linkOrCopy(draft, path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const holder = await read(path);
      if (!holder) continue;
      if (await isHeld(path, holder)) throw inUse(folder, holder);
      await removeStale(path, holder);
    }
  }

  private async touch(): Promise<void> {
    const holder = await read(this.path).catch(() => undefined);
    if (holder?.token === this.token) return utimes(this.path, new Date(), new Date()).catch(() => undefined);
    if (this.lost) return;
    this.lost = true;
    this.onLost();
  }

  /** Releases the folder. */
  async release(): Promise<void> {
    clearInterval(this.timer);
    if ((await read(this.path).catch(() => undefined))?.token === this.token) await rm(this.path, { force: true });
    ownTokens.delete(this.token);
  }
}

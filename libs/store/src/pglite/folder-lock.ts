import { randomUUID } from 'node:crypto';
import { constants, readFileSync } from 'node:fs';
import { copyFile, link, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { StartError } from '@parley/service-kit';

/** Who has a data folder open. */
interface Holder {
  readonly pid: number;
  /** When that process started, in the kernel's ticks; tells a recycled pid. Absent where the system doesn't say. */
  readonly startedAt?: string;
  readonly host: string;
  readonly token: string;
}

/** The name of the lock file in a data folder. */
export const LOCK_FILE = 'parley.lock';
const TOUCH_MS = 2000;
/** How long a lock of another host is watched for a touch. */
const WATCH_MS = 3 * TOUCH_MS;
/** A lock of another host that was not touched for so long is not worth watching. */
const ABANDONED_MS = 60_000;
/** How long after taking the lock it is looked at again. */
const SETTLE_MS = 50;
/** Tokens of this process's own locks. */
const mine = new Set<string>();

/** What the kernel says of a process after its name, which may hold anything: the state first, and when it started. Linux only. */
function statusOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
  } catch {
    return [];
  }
}
const startOf = (pid: number): string | undefined => statusOf(pid)[19];

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // One that was killed and whose parent has not looked yet.
    return statusOf(pid)[0] !== 'Z';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);
/** Gives the file a second name, unless that is taken (EEXIST): the lock appears whole. On file systems without links it is copied. */
async function place(file: string, path: string): Promise<void> {
  try {
    await link(file, path);
  } catch (error) {
    if (!NO_LINKS.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    await copyFile(file, path, constants.COPYFILE_EXCL);
  }
}

async function read(path: string, patience = 1): Promise<Holder | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Holder;
  } catch {
    // Perhaps it is being copied; one that stays unreadable is nobody's.
    if (patience === 0) return { pid: 0, host: hostname(), token: text };
  }
  await pause(SETTLE_MS);
  return read(path, patience - 1);
}

const touchedAt = async (path: string): Promise<number> => (await stat(path).catch(() => undefined))?.mtimeMs ?? 0;

/** Another host's process can't be asked; one that lives touches its lock. */
async function isTouched(path: string): Promise<boolean> {
  const before = await touchedAt(path);
  if (Date.now() - before > ABANDONED_MS) return false;
  for (const until = Date.now() + WATCH_MS; Date.now() < until; await pause(100)) {
    if ((await touchedAt(path)) !== before) return true;
  }
  return false;
}

async function isHeld(path: string, holder: Holder): Promise<boolean> {
  if (mine.has(holder.token)) return true;
  if (holder.host !== hostname()) return isTouched(path);
  // Our own pid, and not our lock: the process before us had the same (in a container every first process is 1).
  if (holder.pid === process.pid || holder.pid <= 0 || !lives(holder.pid)) return false;
  return (
    holder.startedAt === undefined || startOf(holder.pid) === undefined || startOf(holder.pid) === holder.startedAt
  );
}

/** Moves a lock that nobody holds out of the way. If it was another one by then, it is put back. */
async function clear(path: string, stale: Holder): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  await rename(path, aside).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  if ((await read(aside))?.token !== stale.token) await place(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}

const held = (folder: string, { pid, host }: Holder) =>
  new StartError(
    `the data folder ${folder} is in use by process ${pid}${host === hostname() ? '' : ` on ${host}`}: stop it first, or choose another DATA_DIR`,
  );

/** Keeps a data folder for one process. */
export class FolderLock {
  private readonly timer: NodeJS.Timeout;
  private lost = false;

  private constructor(
    private readonly path: string,
    private readonly token: string,
    private readonly onLost: () => void,
  ) {
    this.timer = setInterval(() => void this.touch(), TOUCH_MS).unref();
  }

  /**
   * Takes the lock of `folder`, also after the process that had it was killed. Throws a `StartError` that names the holder when it is held.
   * `onLost` is called once should the lock be taken away (a folder shared between machines whose processes can't see each other).
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
      if (holder?.token !== self.token) throw held(folder, holder ?? self);
    } finally {
      await rm(draft, { force: true });
    }
    mine.add(self.token);
    return new FolderLock(path, self.token, onLost);
  }

  private static async claim(folder: string, path: string, draft: string): Promise<void> {
    for (;;) {
      try {
        return await place(draft, path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const holder = await read(path);
      if (!holder) continue;
      if (await isHeld(path, holder)) throw held(folder, holder);
      await clear(path, holder);
    }
  }

  private async touch(): Promise<void> {
    const holder = await read(this.path).catch(() => undefined);
    if (holder?.token === this.token) return utimes(this.path, new Date(), new Date()).catch(() => undefined);
    if (this.lost) return;
    this.lost = true;
    this.onLost();
  }

  /** Gives the folder free. */
  async release(): Promise<void> {
    clearInterval(this.timer);
    if ((await read(this.path).catch(() => undefined))?.token === this.token) await rm(this.path, { force: true });
    mine.delete(this.token);
  }
}

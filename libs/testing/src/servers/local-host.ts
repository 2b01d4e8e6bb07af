import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { chown, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '../eventually.js';
import { cleanUpAtExit } from './cleanup.js';
import type { Host } from './private-server.js';

/** A program to start. Default for `user`: that of this process. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: { readonly uid: number; readonly gid: number };
}

/** A temporary folder that is deleted when this process ends. */
export class Folder {
  readonly path: string;
  private readonly release: () => void;

  constructor(name: string) {
    this.path = mkdtempSync(join(tmpdir(), `parley-${name}-`));
    this.release = cleanUpAtExit('folder', this.path);
  }

  async own(user: { uid: number; gid: number }): Promise<void> {
    await chown(this.path, user.uid, user.gid);
  }

  /** Mounts a disk of this size, in memory, at the folder. Needs Linux and root. */
  async mount(megabytes: number): Promise<void> {
    await promisify(execFile)('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', this.path]);
    this.mounted = true;
  }
  private mounted = false;

  async remove(): Promise<void> {
    if (this.mounted) await promisify(execFile)('umount', [this.path]);
    await rm(this.path, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    this.release();
  }
}

/** A process and all its descendants in any process group. Only on Linux; elsewhere the process alone. */
async function processTree(pid: number): Promise<number[]> {
  const parents = new Map<number, number>();
  for (const name of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    // The name of the command is in parentheses and may contain anything.
    const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
    if (parent !== undefined) parents.set(Number(name), Number(parent));
  }
  const members = [pid];
  for (const member of members) for (const [child, parent] of parents) if (parent === member) members.push(child);
  return members;
}

/** A zombie counts as ended: where process 1 reaps nobody, as in many containers, orphans stay zombies for ever. */
async function isAlive(pid: number): Promise<boolean> {
  if (!signal(pid, 0)) return false;
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return !stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
}

function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

/** One server as a process of this machine, in its own folder. `helper` is a process that it needs. */
export class LocalHost implements Host {
  readonly place = 'local';
  private child: ChildProcess | undefined;
  private release: (() => void) | undefined;

  constructor(
    private readonly folder: Folder,
    private readonly command: Command,
    private readonly stopSignal: NodeJS.Signals,
    private readonly helper?: LocalHost,
  ) {}

  private get log(): string {
    return join(this.folder.path, 'output.log');
  }

  async start(): Promise<void> {
    if (this.helper && this.helper.ended() !== undefined) await this.helper.start();
    const log = openSync(this.log, 'a');
    const { file, args, env, user } = this.command;
    const child = spawn(file, args, {
      cwd: this.folder.path,
      env: { ...process.env, ...env },
      ...user,
      detached: true,
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    this.child = child;
    await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    const release = cleanUpAtExit('process', child.pid ?? 0);
    child.once('exit', release);
    child.unref();
    this.release = release;
  }

  ended(): string | undefined {
    if (this.child && this.child.exitCode === null && this.child.signalCode === null) return undefined;
    if (!this.child) return 'it was never started';
    return readFileSync(this.log, 'utf8').trim().split('\n').slice(-8).join('\n');
  }

  async end(): Promise<void> {
    if (this.child?.pid !== undefined) signal(this.child.pid, this.stopSignal);
    await this.untilEnded([], 30_000);
  }

  async kill(): Promise<void> {
    const pids = await this.processTree();
    for (const pid of pids) signal(pid, 'SIGKILL');
    await this.untilEnded(pids, 10_000);
  }

  async freeze(): Promise<void> {
    for (const pid of await this.processTree()) signal(pid, 'SIGSTOP');
  }

  async thaw(): Promise<void> {
    for (const pid of await this.processTree()) signal(pid, 'SIGCONT');
  }

  async run(program: string, ...args: readonly string[]): Promise<void> {
    const { file, env, user } = this.command;
    await promisify(execFile)(join(dirname(file), program), args, {
      cwd: this.folder.path,
      env: { ...process.env, ...env },
      ...user,
      timeout: 30_000,
    });
  }

  async remove(): Promise<void> {
    await this.kill();
    this.release?.();
    await this.helper?.remove();
    await this.folder.remove();
  }

  private async processTree(): Promise<number[]> {
    return this.child?.pid === undefined || this.ended() !== undefined ? [] : processTree(this.child.pid);
  }

  private async untilEnded(descendants: readonly number[], timeoutMs: number): Promise<void> {
    await eventually(
      async () => {
        const alive = await Promise.all(descendants.filter((pid) => pid !== this.child?.pid).map(isAlive));
        return this.ended() !== undefined && !alive.includes(true);
      },
      { timeoutMs },
    );
  }
}

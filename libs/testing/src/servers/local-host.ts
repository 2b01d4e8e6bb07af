import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { chown, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '../eventually.js';
import { hold } from './cleanup.js';
import type { Host } from './private-server.js';

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
    this.release = hold('folder', this.path);
  }

  async own(user: { uid: number; gid: number }): Promise<void> {
    await chown(this.path, user.uid, user.gid);
  }

  /** Makes it a disk of its own of that size, in memory. Takes Linux, and root. */
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

/** A process and all that descend from it, in whatever group they are. Linux only knows; elsewhere just itself. */
async function family(pid: number): Promise<number[]> {
  const parents = new Map<number, number>();
  for (const name of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    // The command's name is in parentheses and may contain anything.
    const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
    if (parent !== undefined) parents.set(Number(name), Number(parent));
  }
  const members = [pid];
  for (const member of members) for (const [child, parent] of parents) if (parent === member) members.push(child);
  return members;
}

/** A zombie counts as gone: where process 1 reaps nobody, as in many containers, orphans stay zombies for ever. */
async function alive(pid: number): Promise<boolean> {
  if (!send(pid, 0)) return false;
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return !stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
}

function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** One server as a process of this machine, in a folder of its own. `helper` is a process that it needs beside it. */
export class LocalHost implements Host {
  readonly place = 'local';
  private child: ChildProcess | undefined;
  private release: (() => void) | undefined;

  constructor(
    private readonly folder: Folder,
    private readonly command: Command,
    private readonly graceful: NodeJS.Signals,
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
    const release = hold('process', child.pid ?? 0);
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
    if (this.child?.pid !== undefined) send(this.child.pid, this.graceful);
    await this.gone([], 30_000);
  }

  async kill(): Promise<void> {
    const all = await this.family();
    for (const pid of all) send(pid, 'SIGKILL');
    await this.gone(all, 10_000);
  }

  async freeze(): Promise<void> {
    for (const pid of await this.family()) send(pid, 'SIGSTOP');
  }

  async thaw(): Promise<void> {
    for (const pid of await this.family()) send(pid, 'SIGCONT');
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

  private async family(): Promise<number[]> {
    return this.child?.pid === undefined || this.ended() !== undefined ? [] : family(this.child.pid);
  }

  private async gone(others: readonly number[], timeoutMs: number): Promise<void> {
    await eventually(
      async () => {
        const living = await Promise.all(others.filter((pid) => pid !== this.child?.pid).map(alive));
        return this.ended() !== undefined && !living.includes(true);
      },
      { timeoutMs },
    );
  }
}

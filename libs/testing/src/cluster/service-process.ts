import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../servers/ports.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../../..');
/** How a process ended: by a code or by a signal. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const alive = new Set<ServiceProcess>();
process.on('exit', () => {
  for (const { child } of alive) child.kill('SIGKILL');
});

/**
 * A built program of this repository as a child process. It inherits only PATH and HOME from this process's
 * environment.
 */
export class ServiceProcess {
  readonly child: ChildProcess;
  /** Resolves when the process has ended, however it ended. */
  readonly exited: Promise<Exit>;
  /** The address of its HTTP server: `/health/ready`, and for gateways the edge. */
  readonly url: string;
  private readonly chunks: string[] = [];

  /** `checkout`: the built repository whose program is run. Default: this one. */
  constructor(
    readonly name: string,
    script: string,
    env: Readonly<Record<string, string>>,
    port: number,
    checkout = root,
  ) {
    const isEdge = name === 'gateway' || name === 'standalone';
    this.url = `http://127.0.0.1:${port}${isEdge ? (env['BASE_PATH'] ?? '') : ''}`;
    this.child = spawn(process.execPath, [join(checkout, script)], {
      cwd: checkout,
      env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => void this.chunks.push(text));
    this.exited = new Promise((resolve, reject) => {
      this.child.once('error', reject).once('close', (code, signal) => {
        alive.delete(this);
        resolve({ code, signal });
      });
    });
    alive.add(this);
  }

  /** Its output so far, standard output and error. */
  get output(): string {
    return this.chunks.join('');
  }

  /**
   * Resolves when `/health/ready` answers 200. Rejects with the output when the process ends before that, or after
   * `timeoutMs`.
   */
  async ready(timeoutMs = 90_000): Promise<this> {
    let ended: Exit | undefined;
    void this.exited.then((exit) => (ended = exit));
    for (const deadline = Date.now() + timeoutMs; Date.now() < deadline; await pause(50)) {
      if (ended)
        throw new Error(`${this.name} ended (${ended.code ?? ended.signal}) before it was ready:\n${this.output}`);
      if (await answersOk(`${this.url}/health/ready`)) return this;
    }
    throw new Error(`${this.name} is not ready after ${timeoutMs} ms:\n${this.output}`);
  }

  /** Sends SIGTERM and waits for the end. A process that does not end in time is killed, and the call rejects. */
  async stop(timeoutMs = 30_000): Promise<Exit> {
    this.thaw();
    this.child.kill('SIGTERM');
    const exit = await Promise.race([this.exited, pause(timeoutMs)]);
    if (exit) return exit;
    await this.kill();
    throw new Error(`${this.name} did not stop within ${timeoutMs} ms:\n${this.output}`);
  }

  /** Sends SIGKILL and waits for the end. */
  async kill(): Promise<Exit> {
    this.child.kill('SIGKILL');
    return this.exited;
  }

  /** Stops it with SIGSTOP: it keeps its connections and does nothing until {@link thaw}. */
  freeze(): void {
    this.child.kill('SIGSTOP');
  }

  thaw(): void {
    this.child.kill('SIGCONT');
  }

  /** The CPU time of all its threads so far, in milliseconds. Undefined without /proc. */
  cpuMs(): number | undefined {
    return this.child.pid === undefined ? undefined : cpuMs(this.child.pid);
  }
}

/** The CPU time of all threads of a process, in milliseconds. Undefined without /proc. */
export function cpuMs(pid: number): number | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return undefined;
  }
}

/** Starts a built app (`apps/<app>/dist/main.js`) on free ports. Resolves when it is ready. */
export async function spawnService(
  app: string,
  env: Readonly<Record<string, string>>,
  readyTimeoutMs?: number,
): Promise<ServiceProcess> {
  return (await launch(app, env)).ready(readyTimeoutMs);
}

/** Like {@link spawnService}, but does not wait, for programs that are expected to refuse to start. */
export async function launch(
  app: string,
  env: Readonly<Record<string, string>>,
  checkout?: string,
): Promise<ServiceProcess> {
  const edge = app === 'gateway' || app === 'standalone';
  const port = await freePort();
  const ports: Record<string, string> = edge
    ? { PORT: String(port), HOST: '127.0.0.1' }
    : { HEALTH_PORT: String(port) };
  return new ServiceProcess(
    app,
    `apps/${app}/dist/main.js`,
    { LOG_LEVEL: 'warn', ...ports, ...env },
    Number(env['PORT'] ?? port),
    checkout,
  );
}

/** Raises the rate limits for tests that create many users and messages from one address. */
export const unlimited = { ADDRESS_LIMIT_SCALE: '10000', USER_LIMIT_SCALE: '10000' };

/** Starts embedded mode on a data folder, as a child process. Resolves when it is ready. */
export async function startEmbedded({
  dataDir,
  env = {},
}: {
  dataDir: string;
  env?: Readonly<Record<string, string>>;
}): Promise<ServiceProcess> {
  return spawnService('standalone', { ...unlimited, DATA_DIR: dataDir, ...env }, 110_000);
}

async function answersOk(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(2000) })).ok;
  } catch {
    return false;
  }
}

const pause = (ms: number): Promise<undefined> =>
  new Promise((resolve) => setTimeout(() => resolve(undefined), ms).unref());

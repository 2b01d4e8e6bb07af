/** Counts what a message costs in system calls on sockets: the same on every machine, unlike time. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ServiceProcess } from '@parley/testing';
import type { SocketCalls } from './socket-counter.js';

/** By process and peer (`amqp`, `database`, `redis`, `clients`). */
export type Counted = Readonly<Record<string, Readonly<Record<string, SocketCalls>>>>;

/** Maximum time until a process has written its counts. */
const ANSWER_TIMEOUT_MS = 10_000;

/** The counts of processes that were started with {@link SocketCounts.env}. */
export class SocketCounts {
  private constructor(private readonly folder: string) {}

  static async create(): Promise<SocketCounts> {
    return new SocketCounts(await mkdtemp(join(tmpdir(), 'parley-counts-')));
  }

  /** The variables with which a process counts. */
  get env(): Readonly<Record<string, string>> {
    const counter = fileURLToPath(new URL('socket-counter.js', import.meta.url));
    return { NODE_OPTIONS: `--import=${counter}`, SOCKET_COUNTS: this.folder };
  }

  /**
   * The system calls for one `work`, on average over `times`, one every `everyMs`. Those of as much time without work
   * are subtracted: heartbeats, renewals of leases.
   */
  async of(
    processes: readonly ServiceProcess[],
    { times, everyMs }: { readonly times: number; readonly everyMs: number },
    work: () => Promise<unknown>,
  ): Promise<Counted> {
    const start = await this.read(processes);
    await pause(times * everyMs);
    const idle = await this.read(processes);
    const begun = performance.now();
    for (let time = 1; time <= times; time++) {
      await work();
      await pause(Math.max(0, begun + time * everyMs - performance.now()));
    }
    const end = await this.read(processes);
    return combine([start, idle, end], ([a, b, c]) => (c! - b! - (b! - a!)) / times);
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  private async read(processes: readonly ServiceProcess[]): Promise<Counted> {
    const all = await Promise.all(processes.map(async (one) => [one.name, await this.readOne(one)] as const));
    return Object.fromEntries(all);
  }

  private async readOne({ name, child }: ServiceProcess): Promise<Record<string, SocketCalls>> {
    const file = join(this.folder, String(child.pid));
    await rm(file, { force: true });
    child.kill('SIGUSR2');
    for (const until = performance.now() + ANSWER_TIMEOUT_MS; performance.now() < until; await pause(2)) {
      const content = await readFile(file, 'utf8').catch(() => undefined);
      if (content !== undefined) return JSON.parse(content) as Record<string, SocketCalls>;
    }
    throw new Error(`${name} does not tell its counts`);
  }
}

/** Combines the counts of several moments into one, for each process, peer and direction. */
function combine(moments: readonly Counted[], combined: (values: readonly number[]) => number): Counted {
  const last = moments.at(-1)!;
  const all = Object.entries(last).map(([process, peers]) => {
    const of = (peer: string, direction: keyof SocketCalls): number =>
      combined(moments.map((moment) => moment[process]?.[peer]?.[direction] ?? 0));
    return [
      process,
      Object.fromEntries(
        Object.keys(peers).map((peer) => [peer, { writes: of(peer, 'writes'), reads: of(peer, 'reads') }]),
      ),
    ] as const;
  });
  return Object.fromEntries(all);
}

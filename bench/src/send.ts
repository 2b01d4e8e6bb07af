/**
 * `npm run bench:send`: 200 users in 100 direct conversations, over loopback: a naive single-process server, embedded mode, and a cluster, one
 * after another on the same Postgres. Absolute figures belong to the machine; the ratios are what to read. The load generator runs in this process
 * and shares the cores with what it measures.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ChatClient, freePort, ServiceProcess, startCluster, startEmbedded, startServers, type ServerAddresses } from '@parley/testing';
import pg from 'pg';
import { newId } from '@parley/contracts';
import { cpuBetween, cpuSnapshot, type CpuSnapshot } from './cpu.js';
import { Pairs, quantile, type Measured, type Pace, type User } from './load.js';

const usage = `npm run bench:send [-- options]
  --seconds N    measured seconds of each phase (8); 2 more warm it up
  --users N      users, in pairs (200)
  --gateways N   gateways of the cluster (1)
  --profile DIR  write a CPU profile of every process there
  --only MODE    naive, embedded or cluster; may be repeated
Servers come as for the tests: TEST_AMQP_URL, TEST_DATABASE_URL and TEST_REDIS_URL, or private ones.
`;
const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '8' }, users: { type: 'string', default: '200' }, gateways: { type: 'string', default: '1' },
    profile: { type: 'string' }, only: { type: 'string', multiple: true }, help: { type: 'boolean', default: false },
  },
});

const env: Record<string, string> = options.profile === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${resolve(options.profile)}` };

/** A running server to be measured. */
interface Target {
  readonly name: string;
  readonly urls: readonly string[];
  readonly processes: readonly ServiceProcess[];
  users(count: number): Promise<User[]>;
  stop(): Promise<void>;
}

const guests = (urls: readonly string[]) => async (count: number): Promise<User[]> => {
  const users: User[] = [];
  while (users.length < count) {
    const some = await Promise.all(Array.from({ length: Math.min(20, count - users.length) }, (_, index) => ChatClient.guest(urls[index % urls.length]!)));
    users.push(...some.map(({ session }) => ({ id: session.user.id, token: session.accessToken })));
  }
  return users;
};

async function query<R extends pg.QueryResultRow>(databaseUrl: string, text: string): Promise<R[]> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return (await client.query<R>(text)).rows;
  } finally {
    await client.end();
  }
}

async function naive({ databaseUrl }: ServerAddresses): Promise<Target> {
  const database = `parley_bench_${newId().slice(-8)}`;
  await query(databaseUrl, `create database ${database}`);
  const url = new URL(databaseUrl);
  url.pathname = `/${database}`;
  const port = await freePort();
  const server = await new ServiceProcess('naive', 'bench/dist/naive-server.js', { ...env, DATABASE_URL: url.href, PORT: String(port) }, port).ready();
  return {
    name: 'naive', urls: [server.url], processes: [server],
    users: async (count) => Array.from({ length: count }, () => newId()).map((id) => ({ id, token: id })),
    stop: async () => {
      await server.stop();
      await query(databaseUrl, `drop database ${database} with (force)`);
    },
  };
}

async function embedded(): Promise<Target> {
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-bench-'));
  const server = await startEmbedded({ dataDir, env });
  return {
    name: 'embedded', urls: [server.url], processes: [server], users: guests([server.url]),
    stop: async () => {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function cluster(servers: ServerAddresses): Promise<Target> {
  const running = await startCluster({ servers, gateways: Number(options.gateways), env });
  return { name: 'cluster', urls: running.urls, processes: running.processes, users: guests(running.urls), stop: () => running.stop() };
}

const phases: readonly { readonly name: string; readonly pace: Pace }[] = [
  { name: 'saturated, 1 outstanding', pace: { outstanding: 1 } },
  { name: 'saturated, 5 outstanding', pace: { outstanding: 5 } },
  { name: 'paced, 500/s', pace: { perSecond: 500 } },
];
const generator = 'load generator';
const backing = { postgres: 'postgres', postmaster: 'postgres', 'beam.smp': 'rabbitmq', 'redis-server': 'redis' };

interface Cpu {
  readonly own: ReadonlyMap<string, number>;
  readonly backing: CpuSnapshot;
}

function cpu(target: Target): Cpu {
  const own = new Map<string, number>();
  for (const one of target.processes) own.set(one.name, (own.get(one.name) ?? 0) + (one.cpuMs() ?? 0));
  const { user, system } = process.cpuUsage();
  return { own: own.set(generator, (user + system) / 1000), backing: cpuSnapshot(backing) };
}

/** Share of one core, by process. */
function cores(before: Cpu, after: Cpu, seconds: number): [string, number][] {
  const own = [...after.own].map(([name, ms]): [string, number] => [name, ms - (before.own.get(name) ?? 0)]);
  return [...own, ...cpuBetween(before.backing, after.backing)].map(([name, ms]) => [name, ms / 1000 / seconds]);
}

interface Row extends Measured {
  readonly target: string;
  readonly phase: string;
  /** Share of one core, by process. */
  readonly cores: readonly (readonly [string, number])[];
}

async function measure(target: Target): Promise<Row[]> {
  const users = await target.users(Number(options.users));
  const pairs = await Pairs.open(target.urls, users);
  const rows: Row[] = [];
  for (const { name, pace } of phases) {
    let [before, after] = [cpu(target), cpu(target)];
    const measured = await pairs.run(pace, 2, Number(options.seconds), () => void (before = cpu(target)), () => void (after = cpu(target)));
    rows.push({ ...measured, target: target.name, phase: name, cores: cores(before, after, measured.seconds) });
  }
  pairs.close();
  return rows;
}

const number = (value: number, digits = 0): string => (Number.isFinite(value) ? value.toFixed(digits) : '-');
const line = (...cells: readonly string[]): void => void process.stdout.write(`${cells.map((cell, index) => (index < 1 ? cell.padEnd(10) : cell.padStart(10))).join('')}\n`);

function print(rows: readonly Row[]): void {
  for (const { name } of phases) {
    process.stdout.write(`\n${name}\n`);
    line('', 'acked/s', 'ratio', 'ack p50', 'p99 ms', 'recv p50', 'p99 ms', 'failed');
    const base = rows.find(({ target, phase }) => target === 'naive' && phase === name);
    for (const row of rows.filter(({ phase }) => phase === name)) {
      const rate = row.acknowledged / row.seconds;
      line(row.target, number(rate), base ? number(rate / (base.acknowledged / base.seconds), 2) : '-', ...[row.ackMs, row.receivedMs].flatMap((sorted) => [number(quantile(sorted, 0.5), 1), number(quantile(sorted, 0.99), 1)]), String(row.failed));
    }
    for (const { target, cores: shares, acknowledged, seconds } of rows.filter(({ phase }) => phase === name)) {
      const busy = shares.filter(([, share]) => share >= 0.01).map(([program, share]) => `${program} ${share.toFixed(2)}`);
      const own = shares.filter(([program]) => program !== generator).reduce((sum, [, share]) => sum + share, 0);
      process.stdout.write(`  cores ${target.padEnd(9)} ${busy.join(', ')}; ${number((own * seconds * 1e6) / acknowledged)} µs a message without the generator\n`);
    }
  }
}

async function main(): Promise<void> {
  if (options.help) return void process.stdout.write(usage);
  const { addresses, stop } = await startServers({ durable: true });
  try {
    const [{ fsync } = { fsync: '?' }] = await query<{ fsync: string }>(addresses.databaseUrl, 'show fsync');
    process.stdout.write(`${options.users} users in ${Number(options.users) / 2} direct conversations, loopback, ${cpus().length} cores, Node ${process.version}, Postgres fsync ${fsync}\n`);
    const rows: Row[] = [];
    for (const [name, start] of Object.entries({ naive, embedded, cluster })) {
      if (options.only && !options.only.includes(name)) continue;
      process.stdout.write(`measuring ${name} …\n`);
      const target = await start(addresses);
      try {
        rows.push(...(await measure(target)));
      } finally {
        await target.stop();
      }
    }
    print(rows);
  } finally {
    await stop();
  }
}

await main();
process.exit(0);

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ChatClient,
  freePort,
  ServiceProcess,
  startCluster,
  startEmbedded,
  type ClusterOptions,
  type ServerAddresses,
} from '@parley/testing';
import { newId } from '@parley/contracts';
import pg from 'pg';

export interface User {
  readonly id: string;
  readonly token: string;
}

/** A running server under measurement. */
export interface Target {
  readonly name: string;
  readonly urls: readonly string[];
  readonly processes: readonly ServiceProcess[];
  /** Address for a superuser, if the database is a Postgres. */
  readonly databaseUrl?: string;
  users(count: number): Promise<User[]>;
  stop(): Promise<void>;
}

export interface TargetOptions {
  readonly gateways: number;
  /** Environment variables for every process. */
  readonly env: Readonly<Record<string, string>>;
}
type Start = (servers: ServerAddresses, options: TargetOptions) => Promise<Target>;

const unlimitedTokens = { ACCESS_TOKEN_SECONDS: '3600' };

const guests =
  (urls: readonly string[]) =>
  async (count: number): Promise<User[]> => {
    const users: User[] = [];
    while (users.length < count) {
      const some = await Promise.all(
        Array.from({ length: Math.min(20, count - users.length) }, (_, index) =>
          ChatClient.guest(urls[index % urls.length]!),
        ),
      );
      users.push(...some.map(({ session }) => ({ id: session.user.id, token: session.accessToken })));
    }
    return users;
  };

export async function query<R extends pg.QueryResultRow>(
  databaseUrl: string,
  text: string,
  values: readonly unknown[] = [],
): Promise<R[]> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return (await client.query<R>(text, [...values])).rows;
  } finally {
    await client.end();
  }
}

/** A new database with the table of the naive server. */
export async function messageDatabase(databaseUrl: string): Promise<{ url: string; drop: () => Promise<void> }> {
  const name = `parley_bench_${newId().slice(-8)}`;
  await query(databaseUrl, `create database ${name}`);
  const url = new URL(databaseUrl);
  url.pathname = name;
  await query(
    url.href,
    'create table message (id uuid primary key, conversation_id uuid not null, sender_id uuid not null, client_id text not null, body text not null, created_at timestamptz not null default now())',
  );
  return { url: url.href, drop: async () => void (await query(databaseUrl, `drop database ${name} with (force)`)) };
}

const naive =
  (name: string, count: number, { stores }: { stores: boolean }): Start =>
  async ({ databaseUrl, redisUrl }, { env }) => {
    const database = stores ? await messageDatabase(databaseUrl) : undefined;
    const processes = await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const port = await freePort();
        const more = {
          ...(database && { DATABASE_URL: database.url }),
          ...(count > 1 && { REDIS_URL: redisUrl }),
          PORT: String(port),
        };
        return new ServiceProcess(
          count > 1 ? `${name} ${index + 1}` : name,
          'bench/dist/naive-server.js',
          { ...env, ...more },
          port,
        ).ready();
      }),
    );
    return {
      name,
      processes,
      urls: processes.map(({ url }) => url),
      users: async (wanted) => Array.from({ length: wanted }, () => newId()).map((id) => ({ id, token: id })),
      stop: async () => {
        await Promise.all(processes.map((one) => one.stop()));
        await database?.drop();
      },
    };
  };

const embedded: Start = async (_servers, { env }) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-bench-'));
  const server = await startEmbedded({ dataDir, env: { ...unlimitedTokens, ...env } });
  return {
    name: 'embedded',
    urls: [server.url],
    processes: [server],
    users: guests([server.url]),
    stop: async () => {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
};

/** A cluster with any number of replicas. */
export async function cluster(
  servers: ServerAddresses,
  { gateways, env }: TargetOptions,
  replicas: ClusterOptions['replicas'] = {},
  name = 'cluster',
): Promise<Target> {
  const running = await startCluster({ servers, gateways, replicas, env: { ...unlimitedTokens, ...env } });
  return {
    name,
    urls: running.urls,
    processes: running.processes,
    databaseUrl: running.databaseUrl,
    users: guests(running.urls),
    stop: () => running.stop(),
  };
}

/** All targets: the product in both modes, its peers, and Socket.IO alone. */
export const targets = {
  cluster: (servers, options) => cluster(servers, options),
  embedded,
  naive: naive('naive', 1, { stores: true }),
  naive2: naive('naive2', 2, { stores: true }),
  bare: naive('bare', 1, { stores: false }),
} satisfies Record<string, Start>;
export type TargetName = keyof typeof targets;

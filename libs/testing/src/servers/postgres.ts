import { execFile } from 'node:child_process';
import { chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { findProgram } from './programs.js';
import { eventually } from '../eventually.js';
import { Folder, LocalHost } from './local-host.js';
import { freePort } from './ports.js';
import { PrivateServer } from './private-server.js';

const run = promisify(execFile);

/** The image of Postgres that tests use. */
export const postgresImage = 'postgres:17';
const credentials = 'postgres:postgres';
/** The settings of a private Postgres. */
export interface PostgresOptions {
  /**
   * Whether commits are flushed to the disk, as in production and in benchmarks. Tests survive crashes of the server,
   * and need not survive crashes of the machine. Default: false.
   */
  readonly durable?: boolean;
  /**
   * The size of its own disk in megabytes, at least 200, for tests that fill it. Local programs only; needs Linux and
   * root.
   */
  readonly diskMb?: number;
  /**
   * Files of its data folder, such as `pg_hba.conf` or the key of its certificate, by their names. Local programs only.
   */
  readonly files?: Readonly<Record<string, string>>;
  /** Further settings, such as `ssl`. */
  readonly settings?: Readonly<Record<string, string>>;
}
const settings = ({ durable = false, diskMb, settings: more = {} }: PostgresOptions): string[] => [
  '-c',
  `fsync=${durable ? 'on' : 'off'}`,
  '-c',
  'max_connections=300',
  '-c',
  'shared_buffers=64MB',
  ...(diskMb === undefined ? [] : ['-c', 'max_wal_size=64MB', '-c', 'min_wal_size=32MB']),
  ...Object.entries(more).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
];

/** Resolves when a server answers at `url`. */
export async function probe(url: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  await client.connect();
  await client.end();
}

/** Starts a private Postgres as a container. `host` reaches its published port. */
export async function postgresInDocker(host: string, options: PostgresOptions = {}): Promise<PrivateServer> {
  const port = await freePort();
  const { DockerHost } = await import('./docker-host.js');
  const container = new DockerHost({
    name: postgresImage,
    env: { POSTGRES_PASSWORD: 'postgres' },
    command: ['postgres', ...settings(options)],
    ports: new Map([[5432, port]]),
  });
  return PrivateServer.started(container, `postgres://${credentials}@${host}:${port}/postgres`, probe);
}

/**
 * The user to run Postgres as, which refuses to run as root: its package's user, or nobody. Undefined: the present
 * user.
 */
export async function unprivilegedUser(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    const id = async (option: string): Promise<number> => Number((await run('id', [option, name])).stdout);
    const user = await Promise.all([id('-u'), id('-g')]).catch(() => undefined);
    if (user) return { uid: user[0], gid: user[1] };
  }
  throw new Error('Postgres needs a user that is not root; there is neither postgres nor nobody');
}

async function initialise(folder: Folder, user: { uid: number; gid: number } | undefined): Promise<void> {
  const initdb = findProgram('postgres', 'initdb');
  if (initdb === undefined) throw new Error('initdb of Postgres is not installed');
  const password = join(folder.path, 'password');
  await writeFile(password, 'postgres\n');
  if (user) await folder.own(user);
  const locale = process.platform === 'linux' ? 'C.UTF-8' : 'en_US.UTF-8';
  const args = [
    '-D',
    join(folder.path, 'data'),
    '-U',
    'postgres',
    '-A',
    'scram-sha-256',
    '--pwfile',
    password,
    '-E',
    'UTF8',
    '--locale',
    locale,
    '--no-sync',
  ];
  await run(initdb, args, { cwd: folder.path, ...user, timeout: 60_000 });
}

/**
 * Starts a standby of a local Postgres. The primary waits for it at every commit from now on. After `select
 * pg_promote()` the standby is a primary that waits for nobody.
 */
export async function standbyLocally(primaryUrl: string): Promise<PrivateServer> {
  const [file, basebackup] = [findProgram('postgres', 'postgres'), findProgram('postgres', 'pg_basebackup')];
  if (file === undefined || basebackup === undefined) throw new Error('Postgres is not installed');
  const [port, user, folder] = [await freePort(), await unprivilegedUser(), new Folder('standby')];
  if (user) await folder.own(user);
  const data = join(folder.path, 'data');
  await run(basebackup, ['-d', primaryUrl, '-D', data, '-R', '-X', 'stream', '--checkpoint=fast', '--no-sync'], {
    cwd: folder.path,
    ...user,
    timeout: 60_000,
  });
  const args = [
    '-D',
    data,
    '-p',
    String(port),
    '-c',
    'listen_addresses=127.0.0.1',
    '-c',
    'unix_socket_directories=',
    ...settings({}),
  ];
  const standby = await PrivateServer.started(
    new LocalHost(folder, { file, args, ...(user && { user }) }, 'SIGINT'),
    `postgres://${credentials}@127.0.0.1:${port}/postgres`,
    probe,
  );
  const primary = new Client({ connectionString: primaryUrl, connectionTimeoutMillis: 5_000 });
  await primary.connect();
  try {
    await primary.query(`alter system set synchronous_standby_names = '*'`);
    await primary.query('select pg_reload_conf()');
    await eventually(
      async () => {
        const { rows } = await primary.query<{ sync_state: string }>('select sync_state from pg_stat_replication');
        return rows.some(({ sync_state }) => sync_state === 'sync');
      },
      { timeoutMs: 20_000 },
    );
  } finally {
    await primary.end();
  }
  return standby;
}

/** Starts a private Postgres from the installed programs. Rejects when they are missing. */
export async function postgresLocally(options: PostgresOptions = {}): Promise<PrivateServer> {
  const file = findProgram('postgres', 'postgres');
  if (file === undefined) throw new Error('Postgres is not installed');
  const [port, user, folder] = [await freePort(), await unprivilegedUser(), new Folder('postgres')];
  if (options.diskMb !== undefined) await folder.mount(options.diskMb);
  await initialise(folder, user);
  for (const [name, content] of Object.entries(options.files ?? {})) {
    const path = join(folder.path, 'data', name);
    await writeFile(path, content, { mode: 0o600 });
    if (user) await chown(path, user.uid, user.gid);
  }
  const args = [
    '-D',
    join(folder.path, 'data'),
    '-p',
    String(port),
    '-c',
    'listen_addresses=127.0.0.1',
    '-c',
    'unix_socket_directories=',
    ...settings(options),
  ];
  // SIGINT is its fast shutdown. SIGTERM would wait until all clients have left.
  const host = new LocalHost(folder, { file, args, ...(user && { user }) }, 'SIGINT');
  return PrivateServer.started(host, `postgres://${credentials}@127.0.0.1:${port}/postgres`, probe);
}

import { chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Folder, LocalHost } from './local-host.js';
import { freePort } from './ports.js';
import { probe, unprivilegedUser } from './postgres.js';
import { PrivateServer } from './private-server.js';
import { ensurePrograms, findProgram } from './programs.js';

/** The settings of a {@link PgBouncer}. */
export interface PgBouncerOptions {
  /** The server that it passes connections on to, as a superuser. */
  readonly databaseUrl: string;
  /** Passwords of further accounts, by their names. */
  readonly accounts?: Readonly<Record<string, string>>;
  /** Connections to the server for each account and database. */
  readonly poolSize: number;
}

/** A PgBouncer in transaction mode: each transaction gets any of the connections to the server. */
export class PgBouncer {
  private constructor(private readonly server: PrivateServer) {}

  /** Starts it as a local process, whose program is installed first where possible. */
  static async start({ databaseUrl, accounts = {}, poolSize }: PgBouncerOptions): Promise<PgBouncer> {
    await ensurePrograms((line) => void process.stderr.write(`servers for tests: ${line}\n`), ['pgbouncer']);
    const file = findProgram('pgbouncer')!;
    const [port, user, folder] = [await freePort(), await unprivilegedUser(), new Folder('pgbouncer')];
    const target = new URL(databaseUrl);
    const [owner, password] = [target.username, target.password].map(decodeURIComponent) as [string, string];
    const users = Object.entries({ ...accounts, [owner]: password });
    await write(folder, user, 'users.txt', users.map(([name, secret]) => `"${name}" "${secret}"\n`).join(''));
    const settings = {
      listen_addr: '127.0.0.1',
      listen_port: port,
      unix_socket_dir: '',
      auth_type: 'scram-sha-256',
      auth_file: join(folder.path, 'users.txt'),
      pool_mode: 'transaction',
      default_pool_size: poolSize,
      max_client_conn: 500,
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
    await write(
      folder,
      user,
      'pgbouncer.ini',
      `[databases]\n* = host=${target.hostname} port=${target.port}\n[pgbouncer]\n${lines.join('\n')}\n`,
    );
    if (user) await folder.own(user);
    const host = new LocalHost(
      folder,
      { file, args: [join(folder.path, 'pgbouncer.ini')], ...(user && { user }) },
      'SIGINT',
    );
    const url = Object.assign(new URL(databaseUrl), { hostname: '127.0.0.1', port: String(port) }).href;
    return new PgBouncer(await PrivateServer.started(host, url, probe));
  }

  /** The same address, through this PgBouncer, without parameters. */
  through(databaseUrl: string): string {
    const { port } = new URL(this.server.url);
    return Object.assign(new URL(databaseUrl), { hostname: '127.0.0.1', port, search: '' }).href;
  }

  stop(): Promise<void> {
    return this.server.stop();
  }
}

async function write(
  folder: Folder,
  user: { uid: number; gid: number } | undefined,
  name: string,
  content: string,
): Promise<void> {
  const path = join(folder.path, name);
  await writeFile(path, content, { mode: 0o600 });
  if (user) await chown(path, user.uid, user.gid);
}

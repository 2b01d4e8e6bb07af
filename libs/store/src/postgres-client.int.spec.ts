import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect as connectSocket, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createLogger, StartError } from '@parley/service-kit';
import { eventually, startPostgres, startStandby, TcpProxy, type PrivateServer } from '@parley/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { Database } from './database.js';
import { migrate } from './migrate.js';
import { connectPostgres } from './postgres.js';

const logger = createLogger('spec', 'silent');

/** Certificates of an authority of its own, in a folder. */
class Authority {
  private constructor(
    private readonly folder: string,
    private readonly name: string,
  ) {}

  static async create(folder: string, name: string): Promise<Authority> {
    const authority = new Authority(folder, name);
    await authority.openssl(
      `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=${name} -keyout ${authority.pathOf('ca.key')} -out ${authority.certificate}`,
    );
    return authority;
  }

  get certificate(): string {
    return this.pathOf('ca.crt');
  }

  /** The paths of a certificate and its key. `names`: as in `subjectAltName`. */
  async sign(subject: string, names: string): Promise<{ cert: string; key: string }> {
    const [cert, key, request, extension] = ['crt', 'key', 'csr', 'ext'].map((end) =>
      this.pathOf(`${subject}.${end}`),
    ) as [string, string, string, string];
    await writeFile(extension, `subjectAltName=${names}\n`);
    await this.openssl(
      `req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=${subject} -keyout ${key} -out ${request}`,
    );
    await this.openssl(
      `x509 -req -in ${request} -CA ${this.certificate} -CAkey ${this.pathOf('ca.key')} -CAcreateserial -days 2 -extfile ${extension} -out ${cert}`,
    );
    return { cert, key };
  }

  private pathOf(file: string): string {
    return join(this.folder, `${this.name}-${file}`);
  }
  /** No path of a temporary folder has a space. */
  private async openssl(command: string): Promise<void> {
    await promisify(execFile)('openssl', command.split(' '));
  }
}

const portOf = (server: { url: string }): string => new URL(server.url).port;
const superuser = async (url: string, ...statements: string[]): Promise<void> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
};
const sessionOf = async (database: Database) =>
  (
    await database.query<{ ssl: boolean; client: string | null; user: string }>(
      `select ssl, client_dn as client, current_user::text as user from pg_stat_ssl where pid = pg_backend_pid()`,
    )
  )[0]!;
async function refusal(starting: Promise<Database>): Promise<string> {
  const error: unknown = await starting.then(
    (database) => database.close().then(() => new Error('it connected')),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(StartError);
  return (error as Error).message;
}

describe('a connection to Postgres', () => {
  let folder: string;
  let ours: Authority;
  let theirs: Authority;
  let server: PrivateServer;
  let client: { cert: string; key: string };
  /**
   * A database that takes any connection; one that takes TLS only; one that takes TLS never; one for certificates of
   * clients.
   */
  const databases = ['either', 'encrypted', 'plain', 'certified'] as const;
  type Name = (typeof databases)[number];
  const urlOf = (name: Name, parameters: string, host = 'localhost') =>
    `postgres://postgres:postgres@${host}:${portOf(server)}/${name}?${parameters}`;
  const connect = (url: string) => connectPostgres({ url, logger, poolSize: 2, acquireTimeoutMs: 3000 });
  const session = async (url: string) => {
    const database = await connect(url);
    try {
      return await sessionOf(database);
    } finally {
      await database.close();
    }
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-tls-'));
    [ours, theirs] = [await Authority.create(folder, 'ours'), await Authority.create(folder, 'theirs')];
    const { cert, key } = await ours.sign('localhost', 'DNS:localhost,IP:::1');
    client = await ours.sign('postgres', 'DNS:client');
    server = await startPostgres({
      files: {
        'server.crt': await readFile(cert, 'utf8'),
        'server.key': await readFile(key, 'utf8'),
        'root.crt': await readFile(ours.certificate, 'utf8'),
        'pg_hba.conf': [
          'hostssl encrypted all all scram-sha-256',
          'hostnossl plain all all scram-sha-256',
          'hostssl certified all all cert',
          'host either,postgres all all scram-sha-256',
          'host replication all all scram-sha-256',
        ].join('\n'),
      },
      settings: {
        ssl: 'on',
        ssl_cert_file: 'server.crt',
        ssl_key_file: 'server.key',
        ssl_ca_file: 'root.crt',
        listen_addresses: '127.0.0.1,::1',
      },
    });
    await superuser(server.url, ...databases.map((name) => `create database ${name}`));
    for (const [name, parameters] of [
      ['either', ''],
      ['encrypted', 'sslmode=require'],
      ['plain', ''],
      ['certified', `sslmode=require&sslcert=${client.cert}&sslkey=${client.key}`],
    ] as const)
      await migrate({ url: urlOf(name, parameters), logger });
  }, 120_000);
  afterAll(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it.each([
    ['either', '', false],
    ['either', 'sslmode=disable', false],
    ['either', 'sslmode=allow', false],
    ['either', 'sslmode=prefer', true],
    ['either', 'sslmode=require', true],
    ['encrypted', 'sslmode=allow', true],
    ['encrypted', 'sslmode=prefer', true],
    ['plain', 'sslmode=prefer', false],
    ['plain', 'sslmode=allow', false],
  ] as const)('to a server that takes %s connections, with %s: TLS is %s', async (name, parameters, ssl) => {
    expect((await session(urlOf(name, parameters))).ssl).toBe(ssl);
  });

  it('is encrypted on the wire where sslmode says so', async () => {
    const seen = async (parameters: string): Promise<boolean> => {
      const chunks: Buffer[] = [];
      const relay = createServer((from) => {
        const to = connectSocket(Number(portOf(server)), '127.0.0.1');
        from.on('data', (bytes) => void chunks.push(bytes)).on('error', () => to.destroy());
        to.on('error', () => from.destroy());
        from.pipe(to).pipe(from);
      });
      await new Promise<void>((resolve) => void relay.listen(0, '127.0.0.1', resolve));
      const { port } = relay.address() as AddressInfo;
      const database = await connect(`postgres://postgres:postgres@127.0.0.1:${port}/either?${parameters}`);
      await database.query('select $1::text as secret', ['written-in-clear']);
      await database.close();
      relay.close();
      return Buffer.concat(chunks).includes('written-in-clear');
    };
    expect(await seen('sslmode=disable')).toBe(true);
    expect(await seen('sslmode=require')).toBe(false);
  });

  it('is refused when it must be encrypted and the server has no TLS, or takes none from us', async () => {
    const { host } = new URL(inject('servers').databaseUrl);
    for (const parameters of ['sslmode=require', `sslmode=verify-full&sslrootcert=${ours.certificate}`])
      expect(await refusal(connect(`postgres://postgres:postgres@${host}/postgres?${parameters}`))).toContain(
        'does not support SSL',
      );
    expect(await refusal(connect(urlOf('plain', 'sslmode=require')))).toContain('no pg_hba.conf entry');
    expect(await refusal(connect(urlOf('encrypted', 'sslmode=disable')))).toContain('no pg_hba.conf entry');
  });

  it('checks the authority of the server’s certificate with verify-ca, and with require when an authority is given', async () => {
    for (const mode of ['require', 'verify-ca', 'verify-full']) {
      expect(await session(urlOf('either', `sslmode=${mode}&sslrootcert=${ours.certificate}`))).toMatchObject({
        ssl: true,
      });
      expect(await refusal(connect(urlOf('either', `sslmode=${mode}&sslrootcert=${theirs.certificate}`)))).toMatch(
        /cannot be used: .*(certificate|CERT)/,
      );
    }
    expect(await refusal(connect(urlOf('either', 'sslmode=verify-full&sslrootcert=system')))).toMatch(/CERT/);
  });

  it('checks the name of the server with verify-full only, also where it is an address', async () => {
    const trusted = `sslrootcert=${ours.certificate}`;
    expect(await session(urlOf('either', `sslmode=verify-full&${trusted}`, '[::1]'))).toMatchObject({ ssl: true });
    expect(await refusal(connect(urlOf('either', `sslmode=verify-full&${trusted}`, '127.0.0.1')))).toContain(
      'does not match',
    );
    expect(await session(urlOf('either', `sslmode=verify-ca&${trusted}`, '127.0.0.1'))).toMatchObject({ ssl: true });
  });

  it('falls back to none with prefer when the server cannot be trusted, as libpq does', async () => {
    expect(await session(urlOf('either', `sslmode=prefer&sslrootcert=${theirs.certificate}`))).toMatchObject({
      ssl: false,
    });
  });

  it('shows a certificate of its own', async () => {
    const own = `sslmode=require&sslcert=${client.cert}&sslkey=${client.key}`;
    expect(await session(urlOf('certified', own))).toMatchObject({ client: '/CN=postgres' });
    expect(await refusal(connect(urlOf('certified', 'sslmode=require')))).toMatch(/certificate/);
  });

  it('reaches an IPv6 address', async () => {
    expect(await session(urlOf('either', '', '[::1]'))).toMatchObject({ user: 'postgres' });
  });

  it('is kept by the pool for the next work', async () => {
    const database = await connect(urlOf('either', 'sslmode=require'));
    const pid = async () => (await database.query<{ pid: number }>('select pg_backend_pid() as pid'))[0]!.pid;
    expect(await pid()).toBe(await pid());
    await database.close();
  });

  it('goes to the first host that answers, and to the next after it is gone', async () => {
    const proxy = await TcpProxy.to(server.url);
    const [first, last] = [portOf({ url: proxy.url(server.url) }), portOf(server)];
    const database = await connect(`postgres://postgres:postgres@127.0.0.1:9,127.0.0.1:${first},[::1]:${last}/either`);
    const at = async () => (await database.query<{ at: string }>('select host(inet_server_addr()) as at'))[0]!.at;
    expect(await at()).toBe('127.0.0.1');
    proxy.refuse();
    await eventually(async () => expect(await at()).toBe('::1'));
    await database.close();
    await proxy.close();
  });

  it('does not wait longer for hosts that stay silent than for one', async () => {
    const silent = await TcpProxy.to(server.url);
    silent.swallow('up', 'down');
    const host = `127.0.0.1:${portOf({ url: silent.url(server.url) })}`;
    const database = await connect(`postgres://postgres:postgres@${host},${host},127.0.0.1:${portOf(server)}/either`);
    expect(await sessionOf(database)).toMatchObject({ user: 'postgres' });
    await database.close();
    expect(await refusal(connect(`postgres://postgres:postgres@${host},${host}/either`))).toMatch(/timeout|too long/);
    await silent.close();
  });

  it('names every host that failed, and no password', async () => {
    const line = await refusal(connect('postgres://me:hunter22@127.0.0.1:9,[::1]:9/either'));
    expect(line).toMatch(/127\.0\.0\.1:9: .*ECONNREFUSED.*; \[?::1\]?:9: .*ECONNREFUSED/);
    expect(line).not.toContain('hunter22');
  });

  it('does not try a wrong password at every host', async () => {
    const line = await refusal(connect(`postgres://postgres:wrong@127.0.0.1:${portOf(server)},127.0.0.1:9/either`));
    expect(line).toContain('password authentication failed');
  });

  it('of target_session_attrs=read-write goes to a server that takes writes, and follows it', async () => {
    const standby = await startStandby(server);
    const hosts = `localhost:${portOf(standby)},localhost:${portOf(server)}`;
    const [any, writer, primary] = await Promise.all(
      ['any', 'read-write', 'primary'].map((target) =>
        connect(`postgres://postgres:postgres@${hosts}/either?target_session_attrs=${target}`),
      ),
    );
    const port = async (database: Database | undefined) =>
      String((await database!.query<{ port: number }>('select inet_server_port() as port'))[0]!.port);
    expect(await port(any)).toBe(portOf(standby));
    for (const database of [writer, primary]) expect(await port(database)).toBe(portOf(server));
    expect(
      await refusal(
        connect(`postgres://postgres:postgres@localhost:${portOf(standby)}/either?target_session_attrs=primary`),
      ),
    ).toContain('it is a standby');
    await server.kill();
    await superuser(standby.url, 'select pg_promote()');
    for (const database of [writer, primary])
      await eventually(async () => expect(await port(database)).toBe(portOf(standby)), { timeoutMs: 10_000 });
    for (const database of [any, writer, primary]) await database?.close();
    await standby.stop();
  });
});

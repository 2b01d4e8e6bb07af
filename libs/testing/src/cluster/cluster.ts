import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import pg from 'pg';
import { launch, ServiceProcess, unlimited } from './service-process.js';

const services = ['auth', 'messages', 'history', 'presence'] as const;
/** A service that a cluster runs besides its gateways. */
export type ServiceName = (typeof services)[number];

/** Addresses of real servers. The account of `databaseUrl` may create databases and roles. */
export interface ClusterServers {
  readonly amqpUrl: string;
  /** RabbitMQ's HTTP API. Without an account in it, that of `amqpUrl` is used. */
  readonly managementUrl?: string | undefined;
  readonly databaseUrl: string;
  readonly redisUrl: string;
}

/** The size and the settings of a cluster. Default: two gateways, and one replica of each service. */
export interface ClusterOptions {
  readonly servers: ClusterServers;
  readonly gateways?: number;
  readonly replicas?: Partial<Record<ServiceName, number>>;
  /** Variables for every process. */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Creates accounts for the parts, given the addresses of the cluster's virtual host and Redis with their owner's
   * account. Returns the addresses with which each part connects. Default: all connect as the owner.
   */
  readonly accounts?: (owner: Addresses) => Promise<Readonly<Record<ServiceName | 'gateway', Addresses>>>;
  /** The address at which a service reaches its database, given the direct one. Default: that. */
  readonly database?: (url: string) => string;
  /** A built checkout of another version of this repository, whose programs are run. */
  readonly checkout?: string | undefined;
}

/** Addresses of RabbitMQ and Redis, with accounts. */
export interface Addresses {
  readonly amqpUrl: string;
  readonly redisUrl: string;
}

const rolePassword = 'parley-test';
const asOwner = async (owner: Addresses) => ({
  gateway: owner,
  auth: owner,
  messages: owner,
  history: owner,
  presence: owner,
});

/**
 * The five services as processes, on their own database and one of Redis' databases; with RabbitMQ's management API
 * also on their own virtual host.
 */
export class Cluster {
  readonly gateways: ServiceProcess[] = [];
  readonly services: Record<ServiceName, ServiceProcess[]> = { auth: [], messages: [], history: [], presence: [] };

  private constructor(
    private readonly env: Readonly<Record<string, string>>,
    private readonly base: ClusterBase,
    private readonly addresses: Readonly<Record<ServiceName | 'gateway', Addresses>>,
    private checkout: string | undefined,
    private readonly databaseOf: (url: string) => string,
  ) {}

  static async start({
    servers,
    gateways = 2,
    replicas = {},
    env = {},
    accounts = asOwner,
    checkout,
    database = (url) => url,
  }: ClusterOptions): Promise<Cluster> {
    const base = await prepare(servers, checkout);
    const addresses = await accounts({ amqpUrl: base.amqpUrl, redisUrl: base.redisUrl }).catch(
      async (error: unknown) => {
        await base.drop();
        throw error;
      },
    );
    const cluster = new Cluster({ ...unlimited, ...env }, base, addresses, checkout, database);
    try {
      await Promise.all(
        services.flatMap((name) => Array.from({ length: replicas[name] ?? 1 }, () => cluster.add(name))),
      );
      await Promise.all(Array.from({ length: gateways }, () => cluster.add('gateway')));
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** The addresses of the gateways. */
  get urls(): string[] {
    return this.gateways.map(({ url }) => url);
  }

  get url(): string {
    return this.urls[0]!;
  }

  /** The database with an administrator's account. */
  get databaseUrl(): string {
    return this.base.databaseUrl;
  }

  /** The variables that every process of this kind is started with. */
  environment(name: ServiceName | 'gateway'): Readonly<Record<string, string>> {
    const { amqpUrl, redisUrl } = this.addresses[name];
    return { ...this.env, AMQP_URL: amqpUrl, REDIS_URL: redisUrl, ...this.database(name) };
  }

  /** Adds a replica. `env` overrides the common variables. Resolves when it is ready. */
  async add(name: ServiceName | 'gateway', env: Readonly<Record<string, string>> = {}): Promise<ServiceProcess> {
    return (await this.launch(name, env)).ready();
  }

  /** Like {@link add}, but does not wait, for a process that may end before it is ready. */
  async launch(name: ServiceName | 'gateway', env: Readonly<Record<string, string>> = {}): Promise<ServiceProcess> {
    const process = await launch(name, { ...this.environment(name), ...env }, this.checkout);
    this.replicas(name).push(process);
    return process;
  }

  /** Ends a process, unless it has ended, and starts another one at its address. Resolves when it is ready. */
  async replace(old: ServiceProcess, env: Readonly<Record<string, string>> = {}): Promise<ServiceProcess> {
    return (await this.launchInstead(old, env)).ready();
  }

  /** Like {@link replace}, but does not wait. */
  async launchInstead(old: ServiceProcess, env: Readonly<Record<string, string>>): Promise<ServiceProcess> {
    const name = old.name as ServiceName | 'gateway';
    const list = this.replicas(name);
    const at = list.indexOf(old);
    if (at < 0) throw new Error(`this ${name} has been replaced already`);
    list.splice(at, 1);
    await old.kill();
    return this.launch(name, { ...(name === 'gateway' && { PORT: new URL(old.url).port }), ...env });
  }

  /** Migrates the database to this version, and starts all further processes in it. Running processes continue. */
  async upgrade(): Promise<void> {
    await migrateDatabase(this.databaseUrl);
    this.checkout = undefined;
  }

  private replicas(name: ServiceName | 'gateway'): ServiceProcess[] {
    return name === 'gateway' ? this.gateways : this.services[name];
  }

  /** All processes: services, then gateways. */
  get processes(): ServiceProcess[] {
    return [...Object.values(this.services).flat(), ...this.gateways];
  }

  /** Stops all processes and drops the database. */
  async stop(): Promise<void> {
    const stopped = await Promise.allSettled(
      [...this.gateways, ...Object.values(this.services).flat()].map((process) => process.stop()),
    );
    await this.base.drop();
    const failed = stopped.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  }

  private database(name: ServiceName | 'gateway'): Record<string, string> {
    if (name === 'gateway' || name === 'presence') return {};
    const url = new URL(this.base.databaseUrl);
    url.username = `parley_${name}`;
    url.password = rolePassword;
    return { DATABASE_URL: this.databaseOf(url.href) };
  }
}

/** Starts a cluster. Resolves when all of its processes are ready; stop it with `stop`. */
export const startCluster = (options: ClusterOptions): Promise<Cluster> => Cluster.start(options);

/** The database and addresses of one cluster. */
interface ClusterBase {
  readonly amqpUrl: string;
  readonly redisUrl: string;
  readonly databaseUrl: string;
  drop(): Promise<void>;
}

async function prepare(servers: ClusterServers, checkout?: string): Promise<ClusterBase> {
  const name = `parley_e2e_${randomBytes(4).toString('hex')}`;
  await sql(servers.databaseUrl, `create database ${name}`);
  const databaseUrl = withPath(servers.databaseUrl, name);
  const amqpUrl =
    servers.managementUrl === undefined
      ? servers.amqpUrl
      : await createVhost(servers.managementUrl, servers.amqpUrl, name);
  const drop = async (): Promise<void> => {
    await sql(servers.databaseUrl, `drop database if exists ${name} with (force)`);
    if (servers.managementUrl !== undefined)
      await management(servers.managementUrl, servers.amqpUrl, 'DELETE', `/api/vhosts/${name}`);
  };
  try {
    await migrateDatabase(databaseUrl, checkout);
  } catch (error) {
    await drop();
    throw error;
  }
  return { amqpUrl, redisUrl: await emptyRedisDatabase(servers.redisUrl), databaseUrl, drop };
}

let clusters = 0;

/**
 * Empties one of Redis' sixteen databases. Spec files that run in parallel share a Redis, and neither presence nor rate
 * limits may leak from one cluster into another. Each of the last seven clusters of a spec file has its own database;
 * the servers of the test run itself use the first one.
 */
async function emptyRedisDatabase(url: string): Promise<string> {
  const pool = process.env['VITEST_POOL_ID'];
  const address = withPath(
    url,
    String(pool === undefined ? clusters++ % 16 : (Number(pool) % 2) * 8 + 1 + (clusters++ % 7)),
  );
  const redis = new Redis(address, { lazyConnect: true, maxRetriesPerRequest: 1 });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    const keys = await redis.keys('parley:*');
    if (keys.length > 0) await redis.unlink(...keys);
  } finally {
    redis.disconnect();
  }
  return address;
}

/** Runs a cluster's migration job as its own process. */
export async function migrateDatabase(databaseUrl: string, checkout?: string): Promise<void> {
  const passwords = Object.fromEntries(
    ['AUTH', 'MESSAGES', 'HISTORY'].map((name) => [`${name}_DB_PASSWORD`, rolePassword]),
  );
  const job = new ServiceProcess(
    'migrate',
    'libs/store/dist/migrate-job.js',
    { DATABASE_URL: databaseUrl, ...passwords },
    0,
    checkout,
  );
  const { code } = await job.exited;
  if (code !== 0) throw new Error(`the migration job ended with ${code}:\n${job.output}`);
}

async function createVhost(managementUrl: string, amqpUrl: string, name: string): Promise<string> {
  const user = decodeURIComponent(new URL(amqpUrl).username);
  await management(managementUrl, amqpUrl, 'PUT', `/api/vhosts/${name}`);
  await management(managementUrl, amqpUrl, 'PUT', `/api/permissions/${name}/${encodeURIComponent(user)}`, {
    configure: '.*',
    write: '.*',
    read: '.*',
  });
  return withPath(amqpUrl, name);
}

async function management(
  managementUrl: string,
  amqpUrl: string,
  method: string,
  path: string,
  body: unknown = {},
): Promise<void> {
  const url = new URL(managementUrl);
  const { username, password } = url.username === '' ? new URL(amqpUrl) : new URL(managementUrl);
  url.username = url.password = '';
  const response = await fetch(new URL(path, url), {
    method,
    headers: {
      authorization: `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(10_000),
  });
  if (!response.ok) throw new Error(`RabbitMQ's management API refused ${method} ${path}: ${response.status}`);
}

async function sql(databaseUrl: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

function withPath(address: string, name: string): string {
  const url = new URL(address);
  url.pathname = `/${name}`;
  return url.href;
}

/**
 * A private cluster to break: its own servers, each behind a proxy, and two replicas of every service as processes that
 * fail on demand.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm';
import { newId } from '@parley/contracts';
import {
  eventually,
  startCluster,
  startEmbedded,
  startPostgres,
  startRabbit,
  SmallDisk,
  startRedis,
  TcpProxy,
  type Cluster,
  type PostgresOptions,
  type PrivateServer,
  type ServiceName,
  type ServiceProcess,
} from '@parley/testing';
import { connect } from 'amqplib';
import { Redis } from 'ioredis';
import { query } from './check.js';

export type Dependency = 'rabbit' | 'postgres' | 'redis';
export type ProcessName = ServiceName | 'gateway';
const parts: readonly Dependency[] = ['rabbit', 'postgres', 'redis'];
const names: readonly ServiceName[] = ['auth', 'messages', 'history', 'presence'];

/** Loads `libs/faults/src/armed.ts`, so that environment variables can make the process fail. */
const armed = '--conditions=@parley/faults';

/** A queue of RabbitMQ, as its management API describes it. */
export interface Queue {
  readonly name: string;
  readonly messages?: number;
  readonly consumers?: number;
}

/** The deployment that a fault breaks. */
export interface FaultTarget {
  readonly urls: readonly string[];
  healed(idle?: boolean, timeoutMs?: number): Promise<void>;
  /** Megabytes of memory of the largest process. */
  memory(): Promise<number>;
  /** Queries the database as its owner. The server may be down after the first query. */
  ask<T>(text: string, values: readonly unknown[]): Promise<T[]>;
}

export interface FaultClusterOptions {
  readonly postgres?: PostgresOptions;
  /** For every process. */
  readonly env?: Readonly<Record<string, string>>;
  /** The folder of another build, from which all processes start. */
  readonly checkout?: string;
}

export class FaultCluster implements FaultTarget {
  private constructor(
    readonly servers: Record<Dependency, PrivateServer>,
    readonly proxies: Readonly<Record<Dependency, TcpProxy>>,
    readonly cluster: Cluster,
    private readonly extra: TcpProxy[],
  ) {}

  static async open({ postgres: options, env = {}, checkout }: FaultClusterOptions = {}): Promise<FaultCluster> {
    const [rabbit, postgres, redis] = await Promise.all([startRabbit(), startPostgres(options), startRedis()]);
    const servers = { rabbit, postgres, redis };
    try {
      const [toRabbit, toPostgres, toRedis] = await Promise.all([
        TcpProxy.to(rabbit.url),
        TcpProxy.to(postgres.url),
        TcpProxy.to(redis.url),
      ]);
      const cluster = await startCluster({
        servers: {
          amqpUrl: toRabbit.url(rabbit.url),
          managementUrl: rabbit.managementUrl,
          databaseUrl: toPostgres.url(postgres.url),
          redisUrl: toRedis.url(redis.url),
        },
        checkout,
        gateways: 2,
        replicas: Object.fromEntries(names.map((name) => [name, 2])),
        env: { NODE_OPTIONS: armed, ...env },
      });
      return new FaultCluster(servers, { rabbit: toRabbit, postgres: toPostgres, redis: toRedis }, cluster, []);
    } catch (error) {
      await Promise.allSettled(parts.map((part) => servers[part].stop()));
      throw error;
    }
  }

  async close(): Promise<void> {
    for (const process of this.cluster.processes) process.thaw();
    for (const proxy of [...Object.values(this.proxies), ...this.extra]) proxy.heal();
    await this.cluster.stop().catch((error: unknown) => process.stderr.write(`${String(error)}\n`));
    await Promise.allSettled([...Object.values(this.proxies), ...this.extra].map((proxy) => proxy.close()));
    await Promise.allSettled(parts.map((part) => this.servers[part].stop()));
  }

  /** The environment of a process whose clock is `ms` ahead. */
  clock(ms: number): Readonly<Record<string, string>> {
    return {
      NODE_OPTIONS: `${armed} --import ${new URL('clock.js', import.meta.url).href}`,
      CLOCK_SHIFT_MS: String(ms),
    };
  }

  get urls(): readonly string[] {
    return this.cluster.urls;
  }

  ask<T>(text: string, values: readonly unknown[]): Promise<T[]> {
    return query<T>(this.cluster.databaseUrl, text, values);
  }

  one(name: ProcessName): ServiceProcess {
    return (name === 'gateway' ? this.cluster.gateways : this.cluster.services[name])[0]!;
  }

  /** Replaces the first process of this name by one with additional environment variables. */
  replaceOne(name: ProcessName, env: Readonly<Record<string, string>>): Promise<ServiceProcess> {
    return this.cluster.replace(this.one(name), env);
  }

  /** Replaces it by one that reaches a server through a proxy of its own. */
  async behindProxy(name: ProcessName, part: Dependency): Promise<TcpProxy> {
    const proxy = await TcpProxy.to(this.servers[part].url);
    this.extra.push(proxy);
    const variable = { rabbit: 'AMQP_URL', postgres: 'DATABASE_URL', redis: 'REDIS_URL' }[part];
    await this.replaceOne(name, { [variable]: proxy.url(this.cluster.environment(name)[variable]!) });
    return proxy;
  }

  /** Resolves when every process is ready and every queue has a consumer; with `idle`, when every queue is empty, too. */
  async healed(idle = false, timeoutMs = 60_000): Promise<void> {
    await eventually(
      async () => {
        const troubles = await this.troubles(idle);
        if (troubles.length > 0) throw new Error(troubles.join('; '));
      },
      { timeoutMs, intervalMs: 250 },
    );
  }

  private async troubles(demandIdle: boolean): Promise<string[]> {
    const ready = await Promise.all(
      this.cluster.processes.map(async ({ name, url }) => {
        const answer = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(3_000) }).catch(
          (error: unknown) => error as Error,
        );
        return answer instanceof Error || !answer.ok ? [`${name} is not ready`] : [];
      }),
    );
    const queues = await this.queues();
    // Queues of a dead instance expire after a minute; a live instance is not ready without its own.
    const idle = queues.filter(
      ({ name, consumers = 0, messages = 0 }) =>
        /^(auth|messages|history|presence)\./.test(name) &&
        !/retry|delay/.test(name) &&
        (consumers === 0 || (demandIdle && messages > 0)),
    );
    return [
      ...ready.flat(),
      ...idle.map(({ name, consumers, messages }) => `${name}: ${consumers} consumers, ${messages} messages`),
    ];
  }

  /** From the management API, whose counts are some seconds old. */
  async queues(): Promise<Queue[]> {
    return (await this.management('GET', `/api/queues/${this.vhost}?disable_stats=false`)) as Queue[];
  }

  get vhost(): string {
    return new URL(this.cluster.environment('gateway')['AMQP_URL']!).pathname.slice(1);
  }

  async management(method: string, path: string, body?: unknown): Promise<unknown> {
    const url = new URL(this.servers.rabbit.managementUrl!);
    const authorization = `Basic ${Buffer.from(`${url.username}:${url.password}`).toString('base64')}`;
    const answer = await fetch(new URL(path, `${url.protocol}//${url.host}`), {
      method,
      headers: { authorization, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(10_000),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`RabbitMQ's management API answered ${answer.status} to ${method} ${path}`);
    const text = await answer.text();
    return text === '' ? undefined : (JSON.parse(text) as unknown);
  }

  /** Publishes a command `times` times, like a broker that delivers repeatedly. */
  async publish(type: string, key: string, body: string, times = 1): Promise<void> {
    const connection = await connect(this.amqpUrl);
    const channel = await connection.createConfirmChannel();
    for (let n = 0; n < times; n++)
      channel.publish('parley.commands', key, Buffer.from(body), {
        type,
        persistent: true,
        messageId: newId(),
        headers: {},
      });
    await channel.waitForConfirms();
    await connection.close();
  }

  /** Bypasses the proxy. */
  private get amqpUrl(): string {
    const url = new URL(this.servers.rabbit.url);
    url.pathname = `/${this.vhost}`;
    return url.href;
  }

  async deadLetters(): Promise<number> {
    const connection = await connect(this.amqpUrl);
    try {
      const channel = await connection.createChannel();
      return (await channel.checkQueue('parley.dead')).messageCount;
    } finally {
      await connection.close();
    }
  }

  rabbitctl(...args: readonly string[]): Promise<void> {
    return this.servers.rabbit.run('rabbitmqctl', ...args);
  }

  async redis(command: string): Promise<void> {
    const redis = new Redis(this.servers.redis.url, { maxRetriesPerRequest: 1 });
    try {
      await redis.call(command);
    } finally {
      redis.disconnect();
    }
  }

  memory(): Promise<number> {
    return memoryOf(this.cluster.processes);
  }
}

async function memoryOf(processes: readonly ServiceProcess[]): Promise<number> {
  const sizes = await Promise.all(
    processes.map(async ({ child }) => {
      const status = await readFile(join('/proc', String(child.pid), 'status'), 'utf8').catch(() => '');
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
    }),
  );
  return Math.round(Math.max(...sizes));
}

/** Embedded mode: one process on a data folder. */
export class FaultEmbedded implements FaultTarget {
  private database: PGlite | undefined;

  private constructor(
    private readonly dataDir: string,
    private readonly env: Readonly<Record<string, string>>,
    public server: ServiceProcess,
    private readonly ownDisk: SmallDisk | undefined,
  ) {}

  static async open({ diskMb }: { readonly diskMb?: number } = {}): Promise<FaultEmbedded> {
    const disk = diskMb === undefined ? undefined : await SmallDisk.create(diskMb);
    const dataDir = disk ? join(disk.path, 'data') : await mkdtemp(join(tmpdir(), 'parley-faults-'));
    const env = { NODE_OPTIONS: armed };
    return new FaultEmbedded(dataDir, env, await startEmbedded({ dataDir, env }), disk);
  }

  /** The disk of its data folder. */
  get disk(): SmallDisk {
    if (!this.ownDisk) throw new Error('the fault has to ask for a disk of its own');
    return this.ownDisk;
  }

  get urls(): readonly string[] {
    return [this.server.url];
  }

  /** Kills the process if it still runs, and starts it at the same address on the same data. */
  async restart(env: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.server.kill();
    this.server = await startEmbedded({
      dataDir: this.dataDir,
      env: { ...this.env, PORT: new URL(this.server.url).port, ...env },
    });
  }

  async healed(): Promise<void> {
    await this.server.ready();
  }

  memory(): Promise<number> {
    return memoryOf([this.server]);
  }

  /** Only one process can open the folder, so the server is stopped first. */
  async ask<T>(text: string, values: readonly unknown[]): Promise<T[]> {
    if (!this.database) {
      await this.server.stop();
      this.database = await PGlite.create({ dataDir: join(this.dataDir, 'database'), extensions: { pg_trgm } });
    }
    return (await this.database.query<T>(text, [...values])).rows;
  }

  async close(): Promise<void> {
    await this.database?.close();
    await this.server.kill();
    await rm(this.dataDir, { recursive: true, force: true });
    await this.ownDisk?.remove();
  }
}

import { createInProcessBroker, createRabbitBroker, type Broker } from '@parley/broker';
import { createMemoryStore, createRedisStore, type PresenceStore } from '@parley/presence';
import {
  createMemoryLimiters,
  createMemoryRegistry,
  createMemoryTraces,
  createRedisLimiters,
  createRedisRegistry,
  createRedisTraces,
  type Limiters,
  type Registry,
  type Traces,
} from '@parley/realtime';
import type { Logger } from '@parley/service-kit';
import { connectPostgres, migrate, openPglite, roles, type Database, type PgliteDatabase } from '@parley/store';
import type { Closers } from './closers.js';
import type { StandaloneConfig } from './config.js';

/** The database as each service may see it. PGlite has no roles, so there all three are the same. */
export interface Databases {
  readonly auth: Database;
  readonly messages: Database;
  readonly history: Database;
}

/**
 * The dependencies of the services, chosen by the configuration: RabbitMQ, Postgres and Redis, or their embedded
 * replacements.
 */
export interface Dependencies {
  readonly broker: Broker;
  readonly databases: Databases;
  /** The database of embedded mode, if it is used: the same as the {@link databases}. */
  readonly embedded?: PgliteDatabase;
  readonly registry: Registry;
  readonly limiters: Limiters;
  readonly traces: Traces;
  readonly presence: PresenceStore;
}

/** Opens all dependencies at the same time. Each is given to `closers` as soon as it is open, so that one that fails leaves none behind. */
export async function openDependencies(
  config: StandaloneConfig,
  logger: Logger,
  closers: Closers,
): Promise<Dependencies> {
  const opened = await Promise.allSettled([
    openBroker(config, logger, closers),
    openDatabases(config, logger, closers),
    openMemory(config, logger, closers),
  ]);
  const failed = opened.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
  const [broker, database, memory] = opened.map((result) => (result as PromiseFulfilledResult<unknown>).value) as [
    Broker,
    Pick<Dependencies, 'databases' | 'embedded'>,
    Pick<Dependencies, 'registry' | 'limiters' | 'traces' | 'presence'>,
  ];
  return { broker, ...database, ...memory };
}

async function openBroker(
  { AMQP_URL: url, SHARDS: shards, SHUTDOWN_GRACE_MS: graceMs }: StandaloneConfig,
  logger: Logger,
  closers: Closers,
): Promise<Broker> {
  const options = { service: 'standalone', logger, shards };
  const broker = url === undefined ? createInProcessBroker(options) : createRabbitBroker({ ...options, url });
  closers.add('broker', () => broker.close(graceMs));
  await broker.start();
  return broker;
}

async function openDatabases(
  { DATABASE_URL: url, DATABASE_POOL: poolSize, DATA_DIR: dataDir }: StandaloneConfig,
  logger: Logger,
  closers: Closers,
): Promise<Pick<Dependencies, 'databases' | 'embedded'>> {
  if (url === undefined) {
    const embedded = closers.open('database', await openPglite({ dataDir, logger }));
    await embedded.listen();
    return { embedded, databases: { auth: embedded, messages: embedded, history: embedded } };
  }
  await migrate({ url, logger });
  const as = async (service: keyof Databases) =>
    closers.open(
      'database',
      await connectPostgres({ url, role: roles[service], poolSize, name: `parley-${service}`, logger }),
    );
  return { databases: { auth: await as('auth'), messages: await as('messages'), history: await as('history') } };
}

async function openMemory(
  { REDIS_URL: url, LIMIT_SOCKETS_PER_USER: socketsPerUser }: StandaloneConfig,
  logger: Logger,
  closers: Closers,
): Promise<Pick<Dependencies, 'registry' | 'limiters' | 'traces' | 'presence'>> {
  const redis = url === undefined ? undefined : { url, logger };
  const registry = closers.open(
    'memory',
    redis ? await createRedisRegistry({ ...redis, socketsPerUser }) : createMemoryRegistry({ socketsPerUser }),
  );
  const limiters = closers.open('memory', redis ? await createRedisLimiters(redis) : createMemoryLimiters());
  const presence = closers.open('memory', redis ? await createRedisStore(redis) : createMemoryStore());
  const traces = closers.open('memory', redis ? await createRedisTraces(redis) : createMemoryTraces());
  return { registry, limiters, presence, traces };
}

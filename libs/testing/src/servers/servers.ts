import { ensurePrograms } from './programs.js';
import type { PrivateServer } from './private-server.js';
import { postgresImage, postgresInDocker, postgresLocally, standbyLocally, type PostgresOptions } from './postgres.js';
import { rabbitImage, rabbitInDocker, rabbitLocally, type RabbitOptions } from './rabbit.js';
import { redisImage, redisInDocker, redisLocally } from './redis.js';

/** Addresses of the servers of a test run. The account in each is an administrator. */
export interface ServerAddresses {
  readonly amqpUrl: string;
  /** RabbitMQ's HTTP API with its account, if available. */
  readonly managementUrl?: string;
  readonly databaseUrl: string;
  readonly redisUrl: string;
}

type Location = { readonly kind: 'docker'; readonly host: string } | { readonly kind: 'local' };

const say = (line: string): void => void process.stderr.write(`servers for tests: ${line}\n`);
const firstLineOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';

async function locally(reasons: string[]): Promise<Location> {
  try {
    await ensurePrograms(say);
    return { kind: 'local' };
  } catch (error) {
    reasons.push(`local programs: ${firstLineOf(error)}`);
    throw new Error(
      `there is no RabbitMQ, Postgres and Redis to test with.\n${reasons.map((reason) => `  ${reason}\n`).join('')}Do one of these:
  - start Docker (images ${rabbitImage}, ${postgresImage}, ${redisImage})
  - install RabbitMQ >= 3.10, Postgres >= 15 and Redis >= 7 (on Debian: apt-get install rabbitmq-server postgresql redis-server)
  - set TEST_AMQP_URL, TEST_DATABASE_URL and TEST_REDIS_URL to servers that tests may use`,
      { cause: error },
    );
  }
}

async function chooseLocation(): Promise<Location> {
  const wanted = process.env.TEST_SERVERS ?? '';
  if (!['', 'docker', 'local'].includes(wanted)) throw new Error(`TEST_SERVERS is docker or local, not ${wanted}`);
  const reasons: string[] = [];
  if (wanted !== 'local') {
    try {
      // Imported here only, because it takes a while to load.
      const { dockerReady } = await import('./docker-host.js');
      return { kind: 'docker', host: await dockerReady([rabbitImage, postgresImage, redisImage]) };
    } catch (error) {
      if (wanted === 'docker') throw error;
      reasons.push(`Docker: ${firstLineOf(error)}`);
    }
  }
  return locally(reasons);
}

let location: Promise<Location> | undefined;

/** Starts a server in a container. After a failure it starts this one, and all later ones, as local processes. */
async function start(
  inDocker: (host: string) => Promise<PrivateServer>,
  local: () => Promise<PrivateServer>,
): Promise<PrivateServer> {
  const chosen = await (location ??= chooseLocation());
  if (chosen.kind === 'local') return local();
  try {
    return await inDocker(chosen.host);
  } catch (error) {
    if (process.env.TEST_SERVERS === 'docker') throw error;
    say(`Docker: ${firstLineOf(error)}; trying local programs`);
    location = locally([`Docker: ${firstLineOf(error)}`]);
    await location;
    return local();
  }
}

/**
 * Starts a RabbitMQ (guest/guest, with management) for the caller alone. Takes 4 to 15 s. A quorum queue that was
 * declared less than three seconds before a `kill` may return without a leader (seen with 3.10), because its
 * registration was not on disk yet.
 */
export const startRabbit = (options?: RabbitOptions): Promise<PrivateServer> =>
  start(
    (host) => rabbitInDocker(host, options),
    () => rabbitLocally(options),
  );
/** Starts a Postgres (superuser postgres, passwords are checked) for the caller alone. Takes 1 to 5 s. */
export const startPostgres = async (options?: PostgresOptions): Promise<PrivateServer> => {
  if (options?.files) {
    await ensurePrograms(say);
    return postgresLocally(options);
  }
  return start(
    (host) => postgresInDocker(host, options),
    () => postgresLocally(options),
  );
};
/** Starts a synchronous standby of such a Postgres, which has to be a local process. */
export const startStandby = (primary: PrivateServer): Promise<PrivateServer> =>
  primary.place === 'local'
    ? standbyLocally(primary.url)
    : Promise.reject(new Error('a standby needs local programs: set TEST_SERVERS=local'));
/** Starts a Redis without persistence for the caller alone. */
export const startRedis = (): Promise<PrivateServer> => start(redisInDocker, redisLocally);

/**
 * Starts the servers of a test run. A server whose address is in its variable (`TEST_AMQP_URL`, with
 * `TEST_MANAGEMENT_URL`; `TEST_DATABASE_URL`; `TEST_REDIS_URL`) is used as it is. The others run in Docker, or as
 * locally installed programs, which are installed first where possible. `TEST_SERVERS=docker` or `local` insists on one
 * of the two. Rejects with a message that says what to install. Never touches a server that it neither started nor was
 * given.
 */
export async function startServers(
  options?: PostgresOptions,
): Promise<{ addresses: ServerAddresses; stop: () => Promise<void> }> {
  const { TEST_AMQP_URL, TEST_MANAGEMENT_URL, TEST_DATABASE_URL, TEST_REDIS_URL } = process.env;
  const startedAt = Date.now();
  if (!(TEST_AMQP_URL && TEST_DATABASE_URL && TEST_REDIS_URL)) await (location ??= chooseLocation());
  const started: PrivateServer[] = [];
  const own = async (
    given: string | undefined,
    begin: () => Promise<PrivateServer>,
  ): Promise<PrivateServer | string> => {
    if (given) return given;
    const server = await begin();
    started.push(server);
    return server;
  };
  const stop = async (): Promise<void> => void (await Promise.allSettled(started.map((server) => server.stop())));
  const results = await Promise.allSettled([
    own(TEST_AMQP_URL, startRabbit),
    own(TEST_DATABASE_URL, () => startPostgres(options)),
    own(TEST_REDIS_URL, startRedis),
  ]);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) {
    await stop();
    throw failed.reason;
  }
  const [rabbit, database, redis] = results.map(
    (result) => (result as PromiseFulfilledResult<PrivateServer | string>).value,
  ) as [PrivateServer | string, PrivateServer | string, PrivateServer | string];
  const url = (server: PrivateServer | string): string => (typeof server === 'string' ? server : server.url);
  const managementUrl = typeof rabbit === 'string' ? TEST_MANAGEMENT_URL : rabbit.managementUrl;
  say(
    started.length === 0
      ? 'those of the environment'
      : `${started[0]?.place === 'docker' ? 'Docker containers' : 'private local processes'}, ready after ${((Date.now() - startedAt) / 1000).toFixed(1)} s`,
  );
  return {
    addresses: {
      amqpUrl: url(rabbit),
      ...(managementUrl !== undefined && managementUrl !== '' && { managementUrl }),
      databaseUrl: url(database),
      redisUrl: url(redis),
    },
    stop,
  };
}

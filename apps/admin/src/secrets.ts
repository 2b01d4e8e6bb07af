import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { accountName, rabbitDefinitions, rabbitRights, type Account } from '@parley/broker';
import { redisRights, redisUsers } from '@parley/realtime';
import { shareNewFiles, StartError } from '@parley/service-kit';
import { parseDatabaseUrl, roles, withAccount } from '@parley/store';
import { required, UsageError, type Command } from './command.js';

const OPERATOR = 'parley';
const services = Object.keys(rabbitRights) as Account[];
const withRedis = services.filter((service) => redisRights[service]);
const withDatabase = Object.keys(roles) as (keyof typeof roles)[];
const names = [
  'RABBITMQ_PASSWORD',
  'REDIS_PASSWORD',
  'POSTGRES_PASSWORD',
  'S3_ACCESS_KEY_ID',
  'S3_SECRET_ACCESS_KEY',
  'MINIO_ROOT_USER',
  'MINIO_ROOT_PASSWORD',
  'GRAFANA_PASSWORD',
  'MONITOR_AMQP_PASSWORD',
  'SECRET_KEY',
  ...services.map((service) => `${service.toUpperCase()}_AMQP_PASSWORD`),
  ...withRedis.map((service) => `${service.toUpperCase()}_REDIS_PASSWORD`),
  ...withDatabase.map((service) => `${service.toUpperCase()}_DB_PASSWORD`),
];

/** Addresses of the servers, without accounts. */
export interface Servers {
  readonly amqp: string;
  readonly database: string;
  /** For the migration and the operator's commands, where `database` is PgBouncer's. Default: that. */
  readonly ownerDatabase?: string | undefined;
  readonly redis: string;
}
/** Contents of files, by their path below the folder. */
export type Files = Readonly<Record<string, string>>;

/**
 * All secret files of a cluster. Each program has its own folder, whose files are named like its variables; RabbitMQ
 * and Redis have the files that they read at their start, below `accountsDir`. `password` returns a password by its
 * name.
 */
export function secretFiles(password: (name: string) => string, servers: Servers, accountsDir = '/accounts'): Files {
  const of = (service: Account, server: string): string => password(`${service.toUpperCase()}_${server}_PASSWORD`);
  const as = (address: string, user: string, secret: string): string => {
    const url = new URL(address);
    return Object.assign(url, { username: encodeURIComponent(user), password: encodeURIComponent(secret) }).href;
  };
  const each = <T>(list: readonly Account[], make: (service: Account) => T): Record<string, T> =>
    Object.fromEntries(list.map((service) => [service, make(service)]));
  const vhost = decodeURIComponent(new URL(servers.amqp).pathname.slice(1)) || '/';
  const definitions = rabbitDefinitions({
    vhost,
    operator: { name: OPERATOR, password: password('RABBITMQ_PASSWORD') },
    monitorPassword: password('MONITOR_AMQP_PASSWORD'),
    passwords: each(services, (service) => of(service, 'AMQP')) as Record<Account, string>,
  });
  const acl = redisUsers({
    operator: { name: OPERATOR, password: password('REDIS_PASSWORD') },
    passwords: each(withRedis, (service) => of(service, 'REDIS')),
  });
  const owner = withAccount(servers.ownerDatabase ?? servers.database, OPERATOR, password('POSTGRES_PASSWORD'));
  const files = {
    ...Object.fromEntries(
      services.map((service) => [`${service}/AMQP_URL`, as(servers.amqp, accountName(service), of(service, 'AMQP'))]),
    ),
    ...Object.fromEntries(
      withRedis.map((service) => [
        `${service}/REDIS_URL`,
        as(servers.redis, accountName(service), of(service, 'REDIS')),
      ]),
    ),
    ...Object.fromEntries(
      withDatabase.map((service) => [
        `${service}/DATABASE_URL`,
        withAccount(servers.database, roles[service], of(service, 'DB')),
      ]),
    ),
    ...Object.fromEntries(
      withDatabase.map((service) => [`migrate/${service.toUpperCase()}_DB_PASSWORD`, of(service, 'DB')]),
    ),
    ...Object.fromEntries(['auth', 'messages'].map((service) => [`${service}/SECRET_KEY`, password('SECRET_KEY')])),
    'migrate/DATABASE_URL': owner,
    'admin/AMQP_URL': as(servers.amqp, OPERATOR, password('RABBITMQ_PASSWORD')),
    'admin/DATABASE_URL': owner,
    'keda/MANAGEMENT_URL': managementUrl(servers.amqp, password('MONITOR_AMQP_PASSWORD')),
    'postgres/POSTGRES_PASSWORD': password('POSTGRES_PASSWORD'),
    'files/S3_ACCESS_KEY_ID': password('S3_ACCESS_KEY_ID'),
    'files/S3_SECRET_ACCESS_KEY': password('S3_SECRET_ACCESS_KEY'),
    'minio/MINIO_ROOT_USER': password('MINIO_ROOT_USER'),
    'minio/MINIO_ROOT_PASSWORD': password('MINIO_ROOT_PASSWORD'),
    'grafana/GRAFANA_PASSWORD': password('GRAFANA_PASSWORD'),
    'accounts/rabbitmq.json': JSON.stringify(definitions),
    'accounts/rabbitmq.conf': `load_definitions = ${accountsDir}/rabbitmq.json\n`,
    'accounts/redis.acl': `${acl.join('\n')}\n`,
  };
  return files;
}

/** The address of RabbitMQ's HTTP API, for the account that may only read. Its path is the virtual host. */
function managementUrl(amqp: string, password: string): string {
  const { protocol, hostname, pathname } = new URL(amqp);
  return `${protocol === 'amqps:' ? 'https' : 'http'}://${accountName('monitor')}:${encodeURIComponent(password)}@${hostname}:${protocol === 'amqps:' ? 15671 : 15672}${pathname || '/'}`;
}

/** The stored password; a new one is generated and stored if there is none. */
async function passwordAt(folder: string, name: string, mode: number): Promise<string> {
  const path = join(folder, name);
  try {
    // Hexadecimal, so that none looks like an option to the program that gets it as an argument.
    await writeFile(path, randomBytes(24).toString('hex'), { flag: 'wx', mode });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const password = (await readFile(path, 'utf8')).trim();
  if (password === '') throw new StartError(`${path} is empty; delete it for a new password`);
  return password;
}

/** Stores a password from standard input. */
async function setPassword(folder: string, name: string): Promise<void> {
  if (!names.includes(name)) throw new UsageError(`there is no secret ${name}; there are ${names.join(', ')}`);
  const password = (await text(process.stdin)).trim();
  if (password === '') throw new UsageError('standard input is empty');
  await writeFile(join(folder, name), password, { mode: 0o600 });
}

export const secretsCommand: Command = {
  usage:
    'secrets --dir DIR [--set NAME] [--amqp URL] [--database URL] [--owner-database URL] [--redis URL] [--place DIR] [--world-readable]',
  does: 'writes the secrets of a cluster into files, for compose and kustomize; passwords in DIR/passwords stay, missing ones are generated; --set reads one from standard input',
  async run(args, print) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        dir: { type: 'string' },
        set: { type: 'string' },
        amqp: { type: 'string', default: 'amqp://rabbitmq:5672' },
        database: { type: 'string', default: 'postgres://postgres:5432/parley' },
        'owner-database': { type: 'string' },
        redis: { type: 'string', default: 'redis://redis:6379' },
        place: { type: 'string', default: '/accounts' },
        'world-readable': { type: 'boolean', default: false },
      },
    });
    const { amqp, database, redis, 'owner-database': ownerDatabase } = values;
    const dir = required('dir', values.dir);
    for (const address of [database, ownerDatabase]) if (address !== undefined) parseDatabaseUrl(address);
    for (const address of [amqp, redis])
      if (!URL.canParse(address)) throw new UsageError(`${address} is not an address`);
    // The reader's user id is unknown, so the files are world-readable; only the reader mounts the volume.
    const [fileMode, folderMode] = values['world-readable'] ? [0o644, 0o755] : [0o600, 0o700];
    if (values['world-readable']) shareNewFiles();
    const passwordsDir = join(dir, 'passwords');
    await mkdir(passwordsDir, { recursive: true, mode: 0o700 });
    if (values.set !== undefined) await setPassword(passwordsDir, values.set);
    const passwords = new Map<string, string>();
    for (const name of names) passwords.set(name, await passwordAt(passwordsDir, name, 0o600));
    for (const [path, content] of Object.entries(
      secretFiles((name) => passwords.get(name)!, { amqp, database, ownerDatabase, redis }, values.place),
    )) {
      await mkdir(join(dir, path, '..'), { recursive: true, mode: folderMode });
      await writeFile(join(dir, path), content, { mode: fileMode });
    }
    print(`the secrets are in ${dir}`);
    return 0;
  },
};

import { FolderStore, gatewayConfig, openStore, type FileStore } from '@parley/gateway';
import { createLogger, loadConfig, secret, StartError } from '@parley/service-kit';
import {
  connectPostgres,
  connectToPglite,
  copyPglite,
  databaseUrl,
  FolderInUse,
  openPglite,
  parseDatabaseUrl,
  type Database,
} from '@parley/store';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UsageError } from '../command.js';

/** The data of a deployment: its database, as its owner, and the bytes of its files. */
export interface Deployment {
  readonly database: Database;
  /** Undefined when the configuration does not say where they are. */
  readonly files: FileStore | undefined;
  /** The folder that the operator named for the files. */
  readonly filesDir?: string;
  /** The address, for people; without a password. */
  readonly title: string;
  close(): Promise<void>;
}

const logger = createLogger('admin', 'warn', process.stderr);
const databaseConfig = { DATABASE_URL: secret(databaseUrl, 'Postgres, as its owner') };
const { FILES_DIR, S3_BUCKET, S3_ENDPOINT, S3_REGION, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY } = gatewayConfig;
const filesConfig = { FILES_DIR, S3_BUCKET, S3_ENDPOINT, S3_REGION, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY };

/** Throws a {@link UsageError} unless there is a folder at `path`: a mistyped one must not be created. */
export async function requireFolder(path: string, what: string): Promise<void> {
  const status = await stat(path).catch(() => undefined);
  if (!status?.isDirectory()) throw new UsageError(`${what}: there is no folder ${path}`);
}

/** Opens the data folder of embedded mode. Throws a {@link UsageError} if there is none, and a `StartError` while a process uses it. */
export async function openDataFolder(dataDir: string): Promise<Deployment> {
  await requireFolder(dataDir, 'the data folder');
  if (!(await stat(join(dataDir, 'database')).catch(() => undefined)))
    throw new UsageError(`${dataDir} is no data folder: it has no database`);
  return openNewDataFolder(dataDir);
}

/** Works with the data folder of a running process: `connect` for short statements, which the services wait for; `copy` for long ones, of a copy in the folder `copyIn`. */
export interface WhileRunning {
  readonly by: 'connect' | 'copy';
  readonly copyIn?: string;
}

async function openRunning(dataDir: string, { by, copyIn = tmpdir() }: WhileRunning): Promise<Deployment> {
  const files = new FolderStore(join(dataDir, 'files'));
  if (by === 'connect') {
    const database = await connectToPglite({ dataDir, logger });
    return { database, files, title: dataDir, close: () => database.close() };
  }
  const copy = await mkdtemp(join(copyIn, '.parley-copy-'));
  const remove = () => rm(copy, { recursive: true, force: true });
  try {
    await copyPglite({ dataDir, logger, to: copy });
    const { database, close } = await openNewDataFolder(copy);
    const closeAndRemove = async (): Promise<void> => {
      try {
        await close();
      } finally {
        await remove();
      }
    };
    return { database, files, title: dataDir, close: closeAndRemove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Opens a data folder, which is created if it is missing. */
export async function openNewDataFolder(dataDir: string): Promise<Deployment> {
  const database = await openPglite({ dataDir, logger });
  return { database, files: new FolderStore(join(dataDir, 'files')), title: dataDir, close: () => database.close() };
}

/** Opens the data of a cluster: the database at `url` or `DATABASE_URL`, the files in `FILES_DIR` or `S3_BUCKET`. */
export async function openCluster(url?: string): Promise<Deployment> {
  const address = url ?? loadConfig(databaseConfig).DATABASE_URL;
  const config = loadConfig(filesConfig);
  const database = await connectPostgres({
    url: address,
    name: 'parley-admin',
    poolSize: 2,
    statementTimeoutMs: 600_000,
    logger,
  });
  const files = config.FILES_DIR === undefined && config.S3_BUCKET === undefined ? undefined : await openStore(config);
  return {
    database,
    files,
    ...(config.S3_BUCKET === undefined && config.FILES_DIR !== undefined && { filesDir: config.FILES_DIR }),
    title: parseDatabaseUrl(address).title,
    close: () => database.close(),
  };
}

/** Opens a data folder, also that of a running process, or without one a cluster. */
export async function openDeployment(
  dataDir: string | undefined,
  whileRunning: WhileRunning = { by: 'connect' },
): Promise<Deployment> {
  if (dataDir === undefined) return openCluster();
  try {
    return await openDataFolder(dataDir);
  } catch (error) {
    if (!(error instanceof FolderInUse)) throw error;
    return openRunning(dataDir, whileRunning);
  }
}

/** Gives `work` an opened deployment, and closes it afterwards. */
export async function withDeployment<T>(
  opening: Promise<Deployment>,
  work: (deployment: Deployment) => Promise<T>,
): Promise<T> {
  const deployment = await opening;
  try {
    return await work(deployment);
  } finally {
    await deployment.close();
  }
}

/** Throws a `StartError` while services are connected, because they would continue with what they have cached. */
export async function requireServicesStopped({ database: sql, title }: Deployment): Promise<void> {
  const rows = await sql.query<{ name: string }>(
    `select distinct application_name as name from pg_stat_activity where datname = current_database() and application_name like 'parley-%' and application_name <> 'parley-admin'`,
  );
  if (rows.length > 0)
    throw new StartError(
      `stop the services first: ${rows.map(({ name }) => name).join(', ')} ${rows.length === 1 ? 'is' : 'are'} connected to ${title}`,
    );
}

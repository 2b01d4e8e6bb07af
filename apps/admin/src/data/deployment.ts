import { FolderStore, openStore, type FileStore } from '@parley/gateway';
import { gatewayConfig } from '@parley/gateway';
import { createLogger, env, loadConfig, secret, StartError } from '@parley/service-kit';
import { connectPostgres, openPglite, type Database } from '@parley/store';
import { join } from 'node:path';

/** What a deployment keeps: its database as its owner, and the bytes of its files. */
export interface Place {
  readonly database: Database;
  /** Undefined when nobody said where they lie. */
  readonly files: FileStore | undefined;
  /** For people; without a password. */
  readonly title: string;
  close(): Promise<void>;
}

const logger = createLogger('admin', 'warn', process.stderr);
const database = { DATABASE_URL: secret(env.url('postgres', 'postgresql'), 'Postgres, as its owner') };
const { FILES_DIR, S3_BUCKET, S3_ENDPOINT, S3_REGION, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY } = gatewayConfig;
const filesConfig = { FILES_DIR, S3_BUCKET, S3_ENDPOINT, S3_REGION, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY };

/** A data folder of embedded mode, which has to be stopped: `DIR`; Throws a `StartError` when it is in use. */
export async function openFolder(dataDir: string): Promise<Place> {
  const opened = await openPglite({ dataDir, logger });
  return {
    database: opened,
    files: new FolderStore(join(dataDir, 'files')),
    title: dataDir,
    close: () => opened.close(),
  };
}

/** A cluster's: `url` or `DATABASE_URL`, and `FILES_DIR` or `S3_BUCKET` with its sisters. */
export async function openCluster(url?: string): Promise<Place> {
  const address = url ?? loadConfig(database).DATABASE_URL;
  const config = loadConfig(filesConfig);
  const opened = await connectPostgres({
    url: address,
    name: 'parley-admin',
    poolSize: 2,
    statementTimeoutMs: 600_000,
    logger,
  });
  const { host, pathname } = new URL(address);
  const files = config.FILES_DIR === undefined && config.S3_BUCKET === undefined ? undefined : await openStore(config);
  return { database: opened, files, title: `${host}${pathname}`, close: () => opened.close() };
}

export const openPlace = (dataDir: string | undefined): Promise<Place> =>
  dataDir === undefined ? openCluster() : openFolder(dataDir);

/** Does `work`, and closes what it worked on. */
export async function within<T>(opening: Promise<Place>, work: (place: Place) => Promise<T>): Promise<T> {
  const place = await opening;
  try {
    return await work(place);
  } finally {
    await place.close();
  }
}

/** Throws a `StartError` while services are connected: they would go on with what they remember. */
export async function demandStopped({ database: sql, title }: Place): Promise<void> {
  const rows = await sql.query<{ name: string }>(
    `select distinct application_name as name from pg_stat_activity where datname = current_database() and application_name like 'parley-%' and application_name <> 'parley-admin'`,
  );
  if (rows.length > 0)
    throw new StartError(
      `stop the services first: ${rows.map(({ name }) => name).join(', ')} ${rows.length === 1 ? 'is' : 'are'} connected to ${title}`,
    );
}

import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { MikroORM, PgliteDriver, type SqlEntityManager } from '@mikro-orm/pglite';
import { endsWithin, inSpan, makeFolderPrivate, StartError, Unavailable, type Logger } from '@parley/service-kit';
import {
  Reachability,
  spanAttributes,
  withRetries,
  type Database,
  type QueryOptions,
  type Row,
  type Sql,
  type TransactionOptions,
} from '../database.js';
import { codeOf, reasonOf } from '../failures.js';
import { AdminSocket } from './admin-socket.js';
import { copyWhileInUse } from './copy.js';
import { FolderLock, LOCK_FILE } from './folder-lock.js';
import { ormOptions, type Orm } from '../orm.js';
import { SOCKET_FILE, type EngineOptions } from './channels.js';
import { PgliteEngine, roomAt, ROOM_NEEDED } from './engine.js';
import { vacuumDueTables } from './vacuum.js';
import { begin } from '../postgres.js';
import { compareSchema, newerSchemaText, runMigrations } from '../schema.js';

/** Where {@link openPglite} keeps the database: in a folder, or in memory. */
export type PgliteOptions = {
  readonly logger: Logger;
  /**
   * The longest that one statement may run, in milliseconds; then the database is ended and opened again, because
   * PGlite cannot cancel a statement. Default: 60,000.
   */
  readonly statementTimeoutMs?: number;
  /** How often tables are looked at that need a vacuum, in milliseconds. Default: 600,000. */
  readonly vacuumEveryMs?: number;
} & (
  | {
      /** A folder for Parley alone, created if it is missing. The database is in its `database` folder. */ readonly dataDir: string;
    }
  | {
      /** In memory, lost with the process; for tests. */ readonly memory: true;
      /** A result of {@link PgliteDatabase.dump}: starts in 0.4 s instead of 3. */ readonly template?: Blob;
    }
);

/** A database in a thread of this process. */
export interface PgliteDatabase extends Database {
  /** The whole database, as `template` of another one in memory. */
  dump(): Promise<Blob>;
  /**
   * The reason why the database cannot be used and will not recover in this process, for liveness: another process took
   * the folder, or it broke and does not open again although its disk has room. Undefined while it works, and while it
   * is being opened again.
   */
  lost(): string | undefined;
  /**
   * Lets {@link connectToPglite} and {@link copyPglite} of other processes of the same user work with the database
   * while it is open. A problem is logged: the database works without.
   */
  listen(): Promise<void>;
}

const STATEMENT_TIMEOUT_MS = 60_000;
const VACUUM_EVERY_MS = 600_000;
/** How long a close waits for work under way, which the services end before. */
const FINISH_TIMEOUT_MS = 5_000;
const TAKEN_OVER = 'the data folder was taken over by another process';
const FOLDER = 'database';
/** Where the first start builds the database, so that a killed start leaves no half-built one. */
const UNFINISHED = 'database.unfinished';
/**
 * Entries that a data folder may contain beside the database: Parley's own, and those that file systems create at their
 * root.
 */
const EXPECTED = new Set([FOLDER, UNFINISHED, SOCKET_FILE, 'files', 'uploads', 'lost+found']);
const POSTGRES_VERSION = '18';

class EmbeddedDatabase implements PgliteDatabase {
  private readonly reachability = new Reachability(async () => {
    await this.engine.query('select 1');
  });
  private closed = false;
  private lock: FolderLock | undefined;
  private folder: string | undefined;
  private socket: AdminSocket | undefined;
  private readonly running = new Set<Promise<unknown>>();
  private seized = false;
  private vacuumTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly engine: PgliteEngine,
    private readonly orm: Orm,
    private readonly logger: Logger,
  ) {}

  keep(folder: string, lock: FolderLock): void {
    [this.folder, this.lock] = [folder, lock];
  }
  /** Another process has opened the folder: further writes of this one would damage it. */
  seize(): void {
    this.seized = true;
    this.reachability.failed(new Error(TAKEN_OVER));
  }

  /** From now on, tables that are due are vacuumed. */
  vacuumEvery(intervalMs: number): void {
    this.vacuumTimer = setTimeout(() => {
      const vacuumed = vacuumDueTables(this, this.logger).then(
        (tables) => tables.length > 0 && this.logger.debug({ tables }, 'vacuumed'),
        (err: unknown) => this.logger.warn({ err }, 'tables could not be vacuumed; the next attempt follows'),
      );
      void vacuumed.then(() => !this.closed && this.vacuumEvery(intervalMs));
    }, intervalMs).unref();
  }

  query<T extends Row = Row>(text: string, parameters: readonly unknown[] = [], options?: QueryOptions): Promise<T[]> {
    return inSpan(
      'query',
      'client',
      () => this.attempts(() => this.engine.query<T>(text, parameters, options)),
      spanAttributes,
    );
  }

  transaction<T>(work: (sql: Sql) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    return inSpan(
      'transaction',
      'client',
      () => this.attempts(() => this.engine.transaction(begin(options), work)),
      spanAttributes,
    );
  }

  entities<T>(work: (em: SqlEntityManager) => Promise<T>): Promise<T> {
    return this.attempts(() => this.orm.em.fork().transactional(work));
  }

  problem(): string | undefined {
    return this.reachability.problem();
  }

  lost(): string | undefined {
    return this.seized ? TAKEN_OVER : this.engine.hopeless;
  }

  async listen(): Promise<void> {
    if (this.folder === undefined) return;
    try {
      this.socket = await AdminSocket.listen(this.engine, this.folder, this.logger);
    } catch (err) {
      this.logger.warn({ err }, "there is no admin socket: the operator's commands need this process to be stopped");
    }
  }

  async dump(): Promise<Blob> {
    return this.engine.dump();
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.vacuumTimer);
    this.reachability.close();
    await this.socket?.close();
    const isIdle = await endsWithin(FINISH_TIMEOUT_MS, Promise.allSettled(this.running));
    await this.orm.close(true);
    await this.engine.close({ isIdle });
    await this.lock?.release();
  }

  private async attempts<T>(work: () => Promise<T>): Promise<T> {
    if (this.closed) throw new Unavailable('database: closed');
    const run = withRetries(this.reachability, async () => {
      if (this.seized) throw new Unavailable(`database: ${TAKEN_OVER}`);
      return work();
    });
    this.running.add(run);
    return run.finally(() => this.running.delete(run));
  }
}

async function open(
  { logger, statementTimeoutMs = STATEMENT_TIMEOUT_MS, vacuumEveryMs = VACUUM_EVERY_MS }: PgliteOptions,
  place: EngineOptions,
): Promise<EmbeddedDatabase> {
  const engine = await PgliteEngine.start(place);
  try {
    const orm = (await MikroORM.init({
      ...ormOptions(logger),
      driver: PgliteDriver,
      dbName: 'postgres',
      driverOptions: { pglite: engine.client },
    } as never)) as unknown as Orm;
    const database = new EmbeddedDatabase(engine, orm, logger);
    const { pending, unknown } = await compareSchema(database);
    if (unknown.length > 0) throw new StartError(newerSchemaText(unknown));
    if (place.socket !== undefined) {
      if (pending.length > 0) throw new StartError(`the process that has ${place.socket} open is of an older version`);
      return database;
    }
    if (pending.length > 0) await runMigrations(orm);
    // Not before: a migration of a large table may take long, and one that fails must not be hidden by opening again.
    engine.serve(statementTimeoutMs, logger);
    database.vacuumEvery(vacuumEveryMs);
    return database;
  } catch (error) {
    await engine.close();
    throw error;
  }
}

/** Refuses a folder that is not Parley's, before anything is written to it. */
async function inspect(folder: string): Promise<void> {
  const foreign = (await readdir(folder)).filter(
    (name) => !EXPECTED.has(name) && !name.startsWith(LOCK_FILE) && !name.startsWith('.'),
  );
  const version = await readFile(join(folder, FOLDER, 'PG_VERSION'), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (version !== undefined) {
    if (version.trim() !== POSTGRES_VERSION)
      throw new StartError(
        `the data folder ${folder} was written by Postgres ${version.trim()}, and this version of Parley reads ${POSTGRES_VERSION}`,
      );
    return;
  }
  if (foreign.length > 0)
    throw new StartError(
      `the data folder ${folder} is not empty and not Parley's (it holds ${foreign[0]}): choose another DATA_DIR`,
    );
  const inside = await readdir(join(folder, FOLDER)).catch(() => []);
  if (inside.length > 0)
    throw new StartError(`the data folder ${folder} holds no readable database (PG_VERSION is missing in ${FOLDER})`);
}

async function build(folder: string, options: PgliteOptions): Promise<void> {
  const unfinished = join(folder, UNFINISHED);
  try {
    await rm(unfinished, { recursive: true, force: true });
    await (await open(options, { dataDir: unfinished })).close();
    await rm(join(folder, FOLDER), { recursive: true, force: true });
    await rename(unfinished, join(folder, FOLDER));
  } catch (error) {
    // On a full disk its room is needed.
    await rm(unfinished, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  }
}

const FULL = new Set(['ENOSPC', 'EDQUOT', '53100']);
const SYSTEM = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'EIO']);
/** The error as a `StartError` of one line. `room`: the bytes that were free when it was thrown. */
function explain(folder: string, error: unknown, room: number): unknown {
  if (error instanceof StartError) return error;
  const code = codeOf(error);
  // PGlite says only that it failed to initialize.
  if (room < ROOM_NEEDED || (code !== undefined && FULL.has(code)))
    return new StartError(
      `the disk of the data folder ${folder} is full (${megabytes(room)} MB are free, ${megabytes(ROOM_NEEDED)} are needed): make room, then start again`,
    );
  if (code !== undefined && SYSTEM.has(code))
    return new StartError(
      `the data folder ${folder} cannot be written (${code}): give it to this user, or choose another DATA_DIR`,
    );
  return new StartError(`the database in ${folder} cannot be opened: ${reasonOf(error)}`);
}
const megabytes = (bytes: number): number => Math.floor(bytes / (1024 * 1024));

async function openFolder(options: PgliteOptions, dataDir: string): Promise<EmbeddedDatabase> {
  const { logger } = options;
  const folder = resolve(dataDir);
  let lock: FolderLock | undefined;
  let database: EmbeddedDatabase | undefined;
  try {
    await mkdir(folder, { recursive: true });
    await inspect(folder);
    lock = await FolderLock.take(folder, () => {
      logger.fatal({ folder }, 'the data folder was taken over by another process; refusing all work');
      database?.seize();
    });
    // The gateway looks after the files of attachments.
    await makeFolderPrivate(folder, { logger, isOurs: (name) => name !== 'files' });
    if (!(await readdir(folder)).includes(FOLDER)) await build(folder, options);
    database = await open(options, { dataDir: join(folder, FOLDER) });
    database.keep(folder, lock);
    return database;
  } catch (error) {
    const room = await roomAt(folder);
    await lock?.release();
    throw explain(folder, error, room);
  }
}

/**
 * Opens the database of embedded mode and migrates it. Only one process can open a folder. After a killed process it
 * opens again with everything that was committed. Throws a `StartError` of one line when the folder is in use, cannot
 * be written, is not Parley's, or is newer than this code.
 */
export async function openPglite(options: PgliteOptions): Promise<PgliteDatabase> {
  return 'memory' in options
    ? open(options, { ...(options.template && { template: options.template }) })
    : openFolder(options, options.dataDir);
}

/**
 * Connects to the data folder that another process has open and listens for; its services wait for statements and
 * transactions, which must be short: after 10 s a transaction is ended. Throws a `StartError` when no process answers.
 */
export async function connectToPglite({ dataDir, logger }: { dataDir: string; logger: Logger }): Promise<Database> {
  const folder = resolve(dataDir);
  try {
    return await open({ dataDir, logger }, { socket: folder });
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(
      `the data folder ${folder} is in use by another process, which does not answer at its ${SOCKET_FILE} (${reasonOf(error)}): stop it first`,
    );
  }
}

/**
 * Copies the database of a data folder that another process has open, as it is at one moment, into a new data folder.
 * The services wait only while files are copied that changed meanwhile.
 */
export async function copyPglite({
  dataDir,
  logger,
  to,
}: {
  dataDir: string;
  logger: Logger;
  to: string;
}): Promise<void> {
  const database = await connectToPglite({ dataDir, logger });
  try {
    // In a transaction nobody else uses the database, which writes nothing by itself.
    await copyWhileInUse(join(resolve(dataDir), FOLDER), join(to, FOLDER), (work) =>
      database.transaction(() => work()),
    );
  } finally {
    await database.close();
  }
}

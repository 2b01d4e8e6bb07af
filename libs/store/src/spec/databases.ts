/** Databases for specs, here and in the services. */
import { randomBytes } from 'node:crypto';
import { createLogger } from '@parley/service-kit';
import pg from 'pg';
import { afterAll, beforeAll } from 'vitest';
import type { Database } from '../database.js';
import { migrate } from '../migrate.js';
import { roles } from '../migrations/index.js';
import { openPglite, type PgliteDatabase } from '../pglite/pglite.js';
import { connectPostgres, type PostgresOptions } from '../postgres.js';

const logger = createLogger('spec', 'silent');
/** Logs nothing. */
export const quiet = logger;

/** A spec's own database on a real server. */
export class SpecDatabase {
  private readonly open: Database[] = [];

  private constructor(
    readonly url: string,
    private readonly admin: pg.Client,
  ) {}

  /** Creates the database, and migrates it by default. `serverUrl` logs in as a superuser. */
  static async create(serverUrl: string, { migrated = true } = {}): Promise<SpecDatabase> {
    const name = `spec_${randomBytes(6).toString('hex')}`;
    const admin = new pg.Client({ connectionString: serverUrl });
    admin.on('error', () => undefined);
    await admin.connect();
    await admin.query(`create database ${name}`);
    const url = new URL(serverUrl);
    url.pathname = `/${name}`;
    if (migrated) await migrate({ url: url.href, logger });
    return new SpecDatabase(url.href, admin);
  }

  get name(): string {
    return new URL(this.url).pathname.slice(1);
  }

  /** Connects as a service's role, or as the superuser. Closed with this database. */
  async connect(service?: keyof typeof roles, options: Partial<PostgresOptions> = {}): Promise<Database> {
    const database = await connectPostgres({
      url: this.url,
      logger,
      ...(service === undefined ? {} : { role: roles[service] }),
      ...options,
    });
    this.open.push(database);
    return database;
  }

  /** Runs a statement on the server as the superuser, outside of this database. */
  async administer(text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
    return (await this.admin.query<Record<string, unknown>>(text, values)).rows;
  }

  /** Ends every connection to this database, like a restart of the server. Returns their number. */
  async cut(): Promise<number> {
    const rows = await this.administer(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()',
      [this.name],
    );
    return rows.length;
  }

  async drop(): Promise<void> {
    await Promise.all(this.open.map((database) => database.close()));
    await this.administer(`drop database if exists ${this.name} with (force)`);
    await this.admin.end();
  }
}

let template: Promise<Blob> | undefined;
async function build(): Promise<Blob> {
  const database = await openPglite({ memory: true, logger });
  try {
    return await database.dump();
  } finally {
    await database.close();
  }
}

/** A migrated database in memory: 3 s for the first of a process, then 0.4 s. */
export async function memoryDatabase(): Promise<PgliteDatabase> {
  return openPglite({ memory: true, template: await (template ??= build()), logger });
}

/** A database with the service's connection, and with the owner's, to prepare and inspect rows. */
export interface Engine {
  readonly database: Database;
  readonly owner: Database;
  /** The connections of another replica to the same database. The same object on PGlite. */
  replica(): Promise<Database>;
  close(): Promise<void>;
}

/**
 * The engines by name: Postgres, under the service's own role (`serverUrl` logs in as a superuser), and PGlite. `SHORT=1`
 * leaves PGlite to `e2e/src/specs/rules`, which makes every call on both.
 */
export const engines = (
  serverUrl: string,
  service: keyof typeof roles,
): readonly (readonly [string, () => Promise<Engine>])[] => [
  ['Postgres', () => postgresEngine(serverUrl, service)],
  ...(process.env['SHORT'] === undefined ? [['PGlite', pgliteEngine] as const] : []),
];

async function postgresEngine(serverUrl: string, service: keyof typeof roles): Promise<Engine> {
  const created = await SpecDatabase.create(serverUrl);
  const [database, owner] = [await created.connect(service), await created.connect()];
  return { database, owner, replica: () => created.connect(service), close: () => created.drop() };
}

async function pgliteEngine(): Promise<Engine> {
  const database = await memoryDatabase();
  return { database, owner: database, replica: async () => database, close: () => database.close() };
}

/** An engine, and the service that `start` returns for it, from the first test of a block until after its last. */
export function running<S extends { stop(): Promise<void> }>(
  open: () => Promise<Engine>,
  start: (database: Database) => Promise<S>,
): { readonly engine: Engine; readonly service: S } {
  const on = {} as { engine: Engine; service: S };
  beforeAll(async () => {
    on.engine = await open();
    on.service = await start(on.engine.database);
  });
  afterAll(async () => {
    await on.service.stop();
    await on.engine.close();
  });
  return on;
}

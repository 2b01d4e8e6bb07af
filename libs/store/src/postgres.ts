import { MikroORM, PostgreSqlDriver, type SqlEntityManager } from '@mikro-orm/postgresql';
import { inSpan, StartError, Unavailable, type Logger } from '@parley/service-kit';
import type { Pool, PoolClient } from 'pg';
import {
  encode,
  parserOf,
  Reachability,
  spanAttributes,
  withRetries,
  type Database,
  type QueryOptions,
  type Row,
  type Sql,
  type TransactionOptions,
} from './database.js';
import { parseDatabaseUrl, tlsOf } from './database-url.js';
import { kindOf, reasonOf } from './failures.js';
import { ormOptions, type Orm } from './orm.js';
import { clientClass } from './postgres-client.js';
import { compareSchema, newerSchemaText } from './schema.js';

/** The settings of {@link connectPostgres}. */
export interface PostgresOptions {
  /**
   * `postgres://role:password@host:port/database`: see {@link parseDatabaseUrl}. With `pgbouncer=true` it is
   * PgBouncer's in transaction mode: nothing is kept in a session, neither prepared statements nor settings, so the
   * statements' time limit is that of the role, and `role` is refused.
   */
  readonly url: string;
  /** Acts as this role: for an owner's login (tests, or one account for all services). */
  readonly role?: string;
  /** Maximum number of connections. Default: 10. */
  readonly poolSize?: number;
  /** The longest that one statement may run or wait for a lock, in milliseconds. Default: 5,000. */
  readonly statementTimeoutMs?: number;
  /** The longest wait for a connection, in milliseconds. Default: 5,000. */
  readonly acquireTimeoutMs?: number;
  /** Shown in pg_stat_activity. */
  readonly name?: string;
  readonly logger: Logger;
}

/**
 * The settings of a service's sessions. A direct connection sends them at its beginning; PgBouncer refuses that, so the
 * roles have them too.
 */
export const sessionSettings = {
  statement_timeout: 5_000,
  idle_in_transaction_session_timeout: 15_000,
  // Plans over all partitions seem costly enough for JIT, which takes ten times as long as running them.
  jit: 'off',
} as const;

/** MikroORM and the pool under it. Connects lazily. */
export async function openPool(options: PostgresOptions): Promise<{ orm: Orm; pool: Pool }> {
  const address = parseDatabaseUrl(options.url);
  const {
    role,
    poolSize = 10,
    statementTimeoutMs = sessionSettings.statement_timeout,
    acquireTimeoutMs = 5000,
    name = 'parley',
    logger,
  } = options;
  if (address.isPooled && role !== undefined)
    throw new StartError(
      'the address of the database has pgbouncer=true, which is for the services of a cluster: one process for all of them connects without PgBouncer',
    );
  const orm = await MikroORM.init({
    ...ormOptions(logger),
    driver: PostgreSqlDriver,
    dbName: address.database ?? '',
    pool: { min: 0, max: poolSize },
    driverOptions: {
      Client: clientClass(address, await tlsOf(address), acquireTimeoutMs),
      connectionTimeoutMillis: acquireTimeoutMs,
      // For half-open connections, on which the server's own limit does not arrive.
      query_timeout: statementTimeoutMs ? statementTimeoutMs + 2000 : undefined,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      application_name: name,
      ...(!address.isPooled && {
        statement_timeout: statementTimeoutMs || undefined,
        idle_in_transaction_session_timeout: sessionSettings.idle_in_transaction_session_timeout,
        options: `-c jit=${sessionSettings.jit}${role === undefined ? '' : ` -c role=${role}`}`,
      }),
    },
  });
  const pool = await orm.em.getConnection().getNativeClient();
  return { orm: orm as unknown as Orm, pool };
}

class PostgresDatabase implements Database {
  private readonly reachability = new Reachability(() => this.probe());
  private closed = false;

  constructor(
    private readonly orm: Orm,
    private readonly pool: Pool,
    /** Whether connections keep prepared statements: not where each transaction may have another one. */
    private readonly mayPrepare: boolean,
  ) {}

  query<T extends Row = Row>(
    text: string,
    parameters: readonly unknown[] = [],
    options: QueryOptions = {},
  ): Promise<T[]> {
    return inSpan(
      'query',
      'client',
      () =>
        withRetries(this.reachability, () =>
          this.onClient((client) => run<T>(client, text, parameters, this.mayPrepare && options.prepared !== false)),
        ),
      spanAttributes,
    );
  }

  transaction<T>(work: (sql: Sql) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    return inSpan(
      'transaction',
      'client',
      () =>
        withRetries(this.reachability, () =>
          this.onClient((client) => inTransaction(client, work, options, this.mayPrepare)),
        ),
      spanAttributes,
    );
  }

  entities<T>(work: (em: SqlEntityManager) => Promise<T>): Promise<T> {
    if (this.closed) return Promise.reject(new Unavailable('database: closed'));
    return withRetries(this.reachability, () => this.orm.em.fork().transactional(work));
  }

  problem(): string | undefined {
    return this.reachability.problem();
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.reachability.close();
    await this.orm.close(true);
  }

  /** Discards a connection that failed, or whose answer is still due after the time limit. */
  private async onClient<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    if (this.closed) throw new Unavailable('database: closed');
    const client = await this.pool.connect().catch((error: unknown) => {
      throw new Unavailable(`database: ${reasonOf(error)}`);
    });
    let broken = false;
    try {
      return await work(client);
    } catch (error) {
      broken = kindOf(error) === 'away';
      throw error;
    } finally {
      client.release(broken);
    }
  }

  private async probe(): Promise<void> {
    const [row] = await this.onClient((client) =>
      run<{ value: string }>(client, `select current_setting('transaction_read_only') as value`, []),
    );
    if (row?.value === 'on') throw new Unavailable('database: read-only');
  }
}

const types = { getTypeParser: (oid: number) => parserOf(oid) as never };

/**
 * Maximum number of statements that each connection keeps prepared. Generated texts must not fill the server's memory.
 */
const MAX_PREPARED = 250;
const prepared = new Map<string, string>();
function nameOf(text: string): string | undefined {
  const name = prepared.get(text);
  if (name !== undefined || prepared.size >= MAX_PREPARED) return name;
  prepared.set(text, `p${prepared.size}`);
  return prepared.get(text);
}

/**
 * Statements with parameters are prepared, so parsed and planned once per connection: a page of messages takes less
 * than half the time.
 */
async function run<T extends Row>(
  client: PoolClient,
  text: string,
  parameters: readonly unknown[],
  mayPrepare = true,
): Promise<T[]> {
  const name = parameters.length === 0 || !mayPrepare ? undefined : nameOf(text);
  const result = await client.query<T>({
    text,
    values: parameters.map(encode),
    types,
    ...(name === undefined ? {} : { name }),
  });
  return result.rows;
}

/** The statement that opens a transaction. */
export const begin = ({ isolation = 'read committed', readOnly = false }: TransactionOptions): string =>
  `begin isolation level ${isolation}${readOnly ? ' read only' : ''}`;

async function inTransaction<T>(
  client: PoolClient,
  work: (sql: Sql) => Promise<T>,
  options: TransactionOptions,
  mayPrepare: boolean,
): Promise<T> {
  await client.query(begin(options));
  try {
    const result = await work({
      query: (text, parameters = [], { prepared: mayBePrepared = true } = {}) =>
        run(client, text, parameters, mayPrepare && mayBePrepared),
    });
    const { command } = await client.query('commit');
    if (command !== 'COMMIT') throw new Error('a statement of the transaction had failed: nothing was committed');
    return result;
  } catch (error) {
    // If this fails too, the caller discards the connection.
    if (kindOf(error) !== 'away') await client.query('rollback');
    throw error;
  }
}

/**
 * Connects to Postgres. Throws a `StartError` of one line when it cannot be reached within `acquireTimeoutMs`, or when
 * its schema is older or newer than this code's. Later failures reject the calls that they affect; it reconnects
 * automatically.
 */
export async function connectPostgres(options: PostgresOptions): Promise<Database> {
  const { orm, pool } = await openPool(options);
  const database = new PostgresDatabase(orm, pool, !parseDatabaseUrl(options.url).isPooled);
  try {
    const { pending, unknown } = await compareSchema(database);
    if (unknown.length > 0) throw new StartError(newerSchemaText(unknown));
    if (pending.length > 0)
      throw new StartError(`the database needs migration (${pending.join(', ')}): run the migration job first`);
    return database;
  } catch (error) {
    await database.close();
    if (error instanceof StartError) throw error;
    throw new StartError(
      `the database at ${parseDatabaseUrl(options.url).title} cannot be used: ${reasonOf(error).replace(/^database: /, '')}`,
    );
  }
}

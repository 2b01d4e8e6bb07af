import { MikroORM, PostgreSqlDriver, type SqlEntityManager } from '@mikro-orm/postgresql';
import { inSpan, StartError, Unavailable, type Logger } from '@parley/service-kit';
import type { Pool, PoolClient } from 'pg';
import { attempts, Contact } from './retries.js';
import { encode, parserOf } from './codec.js';
import { system, type Database, type QueryOptions, type Row, type Sql, type TransactionOptions } from './database.js';
import { judge, reasonOf } from './failures.js';
import { ormOptions, type Orm } from './orm.js';
import { compareSchema, newer } from './schema.js';

export interface PostgresOptions {
  /** `postgres://role:password@host:port/database`. */
  readonly url: string;
  /** Works as this role: for owners that act for a service (tests, one account for all). */
  readonly role?: string;
  /** Connections at most. Default 10. */
  readonly poolSize?: number;
  /** The longest that one statement may run, or wait for a lock. Default 5,000 ms. */
  readonly statementTimeoutMs?: number;
  /** The longest that work waits for a connection. Default 5,000 ms. */
  readonly acquireTimeoutMs?: number;
  /** Shown in pg_stat_activity. */
  readonly name?: string;
  readonly logger: Logger;
}

/** MikroORM and the pool under it. Connects lazily. */
export async function openPool(options: PostgresOptions): Promise<{ orm: Orm; pool: Pool }> {
  const {
    url,
    role,
    poolSize = 10,
    statementTimeoutMs = 5000,
    acquireTimeoutMs = 5000,
    name = 'parley',
    logger,
  } = options;
  const orm = await MikroORM.init({
    ...ormOptions(logger),
    driver: PostgreSqlDriver,
    clientUrl: url,
    pool: { min: 0, max: poolSize },
    driverOptions: {
      connectionTimeoutMillis: acquireTimeoutMs,
      statement_timeout: statementTimeoutMs || undefined,
      // Half-open connections: the server is silent for longer than it may be.
      query_timeout: statementTimeoutMs ? statementTimeoutMs + 2000 : undefined,
      idle_in_transaction_session_timeout: 15_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      application_name: name,
      // Plans over all partitions look costly enough to be compiled, which takes ten times as long as running them.
      options: `-c jit=off${role === undefined ? '' : ` -c role=${role}`}`,
    },
  });
  const pool = await orm.em.getConnection().getNativeClient();
  return { orm: orm as unknown as Orm, pool };
}

class PostgresDatabase implements Database {
  private readonly contact = new Contact(() => this.probe());
  private closed = false;

  constructor(
    private readonly orm: Orm,
    private readonly pool: Pool,
  ) {}

  query<T extends Row = Row>(
    text: string,
    parameters: readonly unknown[] = [],
    options: QueryOptions = {},
  ): Promise<T[]> {
    return inSpan(
      'query',
      'client',
      () => attempts(this.contact, () => this.onClient((client) => run<T>(client, text, parameters, options))),
      system,
    );
  }

  transaction<T>(work: (sql: Sql) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    return inSpan(
      'transaction',
      'client',
      () => attempts(this.contact, () => this.onClient((client) => inTransaction(client, work, options))),
      system,
    );
  }

  entities<T>(work: (em: SqlEntityManager) => Promise<T>): Promise<T> {
    if (this.closed) return Promise.reject(new Unavailable('database: closed'));
    return attempts(this.contact, () => this.orm.em.fork().transactional(work));
  }

  problem(): string | undefined {
    return this.contact.problem();
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.contact.close();
    await this.orm.close(true);
  }

  /** A connection that failed is thrown away; so is one on which an answer is still due after its time limit. */
  private async onClient<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    if (this.closed) throw new Unavailable('database: closed');
    const client = await this.pool.connect().catch((error: unknown) => {
      throw new Unavailable(`database: ${reasonOf(error)}`);
    });
    let broken = false;
    try {
      return await work(client);
    } catch (error) {
      broken = judge(error) === 'away';
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

/** Statements that each connection keeps prepared, by their text. Code that makes up its texts as it goes must not fill the server's memory. */
const PREPARED_LIMIT = 250;
const prepared = new Map<string, string>();
function nameOf(text: string): string | undefined {
  const name = prepared.get(text);
  if (name !== undefined || prepared.size >= PREPARED_LIMIT) return name;
  prepared.set(text, `p${prepared.size}`);
  return prepared.get(text);
}

/** Statements with parameters are parsed and planned once per connection: a page of messages takes less than half the time. */
async function run<T extends Row>(
  client: PoolClient,
  text: string,
  parameters: readonly unknown[],
  { prepared: wanted = true }: QueryOptions = {},
): Promise<T[]> {
  const name = parameters.length === 0 || !wanted ? undefined : nameOf(text);
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
): Promise<T> {
  await client.query(begin(options));
  try {
    const result = await work({ query: (text, parameters = [], how = {}) => run(client, text, parameters, how) });
    const { command } = await client.query('commit');
    if (command !== 'COMMIT') throw new Error('a statement of the transaction had failed: nothing was committed');
    return result;
  } catch (error) {
    // A connection on which even this fails is thrown away by the caller, for the first error's sake or this one's.
    if (judge(error) !== 'away') await client.query('rollback');
    throw error;
  }
}

/**
 * Connects to Postgres. Throws a `StartError` with one line when it can't be reached within `acquireTimeoutMs`, or when its schema is not the one this
 * code was written for. Later failures reject the calls that meet them, and it reconnects by itself.
 */
export async function connectPostgres(options: PostgresOptions): Promise<Database> {
  const { orm, pool } = await openPool(options);
  const database = new PostgresDatabase(orm, pool);
  try {
    const { pending, unknown } = await compareSchema(database);
    if (unknown.length > 0) throw new StartError(newer(unknown));
    if (pending.length > 0)
      throw new StartError(`the database needs migration (${pending.join(', ')}): run the migration job first`);
    return database;
  } catch (error) {
    await database.close();
    if (error instanceof StartError) throw error;
    throw new StartError(
      `the database at ${placeOf(options.url)} cannot be used: ${reasonOf(error).replace(/^database: /, '')}`,
    );
  }
}

/** Host, port and database of a URL: what may be shown. */
export function placeOf(url: string): string {
  try {
    const { hostname, port, pathname } = new URL(url);
    return `${hostname}:${port === '' ? '5432' : port}${pathname}`;
  } catch {
    return 'an address that is no URL';
  }
}

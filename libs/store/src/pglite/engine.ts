import { Worker } from 'node:worker_threads';
import { Mutex, protocol } from '@electric-sql/pglite';
import { Unavailable } from '@parley/service-kit';
import { encode, parserOf, type QueryOptions, type Row, type Sql } from '../database.js';
import { Lru } from '@parley/service-kit';

const { serialize, messages, Parser } = protocol;
type Field = InstanceType<typeof messages.RowDescriptionMessage>['fields'][number];

/** Messages of Postgres' protocol, or an operation of PGlite. */
export type EngineRequest = Uint8Array | 'dump' | 'close';
/** The answer to an {@link EngineRequest}: bytes of Postgres’ protocol or of a dump, or an error. */
export type EngineAnswer =
  | Uint8Array
  | { readonly failed: { readonly name: string; readonly message: string; readonly code?: string } };

/** Maximum number of statements that are kept prepared. */
const MAX_PREPARED = 250;
/**
 * Lifetime of a prepared statement. PGlite gathers no statistics, so a plan made for a small table would otherwise be
 * used forever.
 */
const MAX_PREPARED_AGE_MS = 60_000;

interface Statement {
  readonly name: string;
  readonly until: number;
  readonly fields: readonly Field[];
}

type Run = (text: string, parameters: readonly unknown[], options?: QueryOptions) => Promise<Result>;

interface Result {
  readonly fields: readonly Field[];
  readonly rows: readonly (readonly (string | null)[])[];
  /** The command and its number of rows: `UPDATE 3`. */
  readonly tag: string;
}

/**
 * PGlite in a thread of its own, so that a long statement only delays callers of the database. PGlite's own `query` enters WebAssembly six times for one statement, and parses and plans it each
 * time; here a statement is one message, and is prepared once a minute. Transactions and single statements run one at a time, in the order of the calls.
 */
export class PgliteEngine {
  private readonly waiting: PromiseWithResolvers<Uint8Array>[] = [];
  private readonly turns = new Mutex();
  private readonly parser = new Parser();
  private readonly prepared = new Lru<Statement>(
    MAX_PREPARED,
    () => 1,
    ({ name }) => this.dropped.push(name),
  );
  /** Names of statements that PGlite has still to close. */
  private dropped: string[] = [];
  private count = 0;
  private ended: Error | undefined;

  private constructor(private readonly worker: Worker) {
    worker.on('message', (answer: EngineAnswer) =>
      this.settle((request) =>
        'failed' in answer
          ? request.reject(Object.assign(new Error(answer.failed.message), answer.failed))
          : request.resolve(answer),
      ),
    );
    worker.on('error', (error) => this.end(error));
    worker.on('exit', () => this.end(new Error('its thread ended')));
  }

  /** Without a folder the database is in memory. `template`: a result of {@link dump}. */
  static async start({ dataDir, template }: { dataDir?: string; template?: Blob }): Promise<PgliteEngine> {
    const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
    // Without this process's flags, because some are not allowed for workers.
    const engine = new PgliteEngine(
      new Worker(new URL(file, import.meta.url), { workerData: { dataDir, loadDataDir: template }, execArgv: [] }),
    );
    await engine.next();
    return engine;
  }

  /** Runs a statement outside of transactions. */
  async query<T extends Row>(text: string, parameters: readonly unknown[] = [], options?: QueryOptions): Promise<T[]> {
    return rowsOf<T>(await this.runInTurn(text, parameters, options), parserOf);
  }

  /** Runs a transaction: commits when `work` resolves, rolls back when it rejects. `begin` is its first statement. */
  transaction<T>(begin: string, work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.within(begin, (run) =>
      work({
        query: async <R extends Row>(text: string, parameters: readonly unknown[] = [], options?: QueryOptions) =>
          rowsOf<R>(await run(text, parameters, options), parserOf),
      }),
    );
  }

  /** The part of PGlite's interface that MikroORM uses. */
  get client(): object {
    const querying =
      (run: Run) =>
      async (text: string, parameters: readonly unknown[] = []) => {
        const result = await run(text, parameters);
        return {
          rows: rowsOf(result, (oid) => (TIMES.has(oid) ? unchanged : parserOf(oid))),
          affectedRows: Number(/ (\d+)$/.exec(result.tag)?.[1] ?? 0),
        };
      };
    return {
      ready: true,
      waitReady: Promise.resolve(),
      closed: false,
      close: () => Promise.resolve(),
      query: querying((text, parameters) => this.runInTurn(text, parameters)),
      transaction: (work: (tx: object) => Promise<unknown>) =>
        this.within('begin', (run) => work({ query: querying(run) })),
    };
  }

  /** The whole database, as `template` of another one. */
  dump(): Promise<Blob> {
    return this.turns.runExclusive(async () => new Blob([(await this.send('dump')) as Uint8Array<ArrayBuffer>]));
  }

  async close(): Promise<void> {
    if (this.ended) return;
    await this.turns.runExclusive(() => this.send('close'));
    await this.worker.terminate();
  }

  /** Waits for its turn, but not for its answer: PGlite works in order, so the next statement may be sent before this one is answered. */
  private async runInTurn(text: string, parameters: readonly unknown[], options?: QueryOptions): Promise<Result> {
    const { result } = await this.turns.runExclusive(async () => ({ result: this.run(text, parameters, options) }));
    return result;
  }

  private within<T>(begin: string, work: (run: Run) => Promise<T>): Promise<T> {
    return this.turns.runExclusive(async () => {
      await this.command(begin);
      let open = true;
      try {
        const result = await work((text, parameters, options) =>
          open ? this.run(text, parameters, options) : Promise.reject(new Error('the transaction has ended')),
        );
        open = false;
        if ((await this.command('commit')).tag !== 'COMMIT')
          throw new Error('a statement of the transaction had failed: nothing was committed');
        return result;
      } catch (error) {
        open = false;
        await this.command('rollback');
        throw error;
      }
    });
  }

  private command(text: string): Promise<Result> {
    return this.exchange(concat([serialize.query(text)]));
  }

  private async run(
    text: string,
    parameters: readonly unknown[],
    { prepared = true }: QueryOptions = {},
  ): Promise<Result> {
    if (!prepared) return this.exchange(this.messagesOf('', text, parameters));
    const kept = this.prepared.get(text);
    const statement = kept && kept.until > Date.now() ? kept : undefined;
    if (kept && !statement) this.prepared.delete(text);
    const name = statement?.name ?? `p${(this.count++).toString(36)}`;
    const bytes = this.messagesOf(name, statement ? undefined : text, parameters);
    return this.exchange(bytes, statement?.fields, (fields) =>
      this.prepared.set(text, { name, fields, until: Date.now() + MAX_PREPARED_AGE_MS }),
    );
  }

  /** The messages that run a statement by its name. With `text` it is prepared first. */
  private messagesOf(name: string, text: string | undefined, parameters: readonly unknown[]): Uint8Array {
    const dropped = this.dropped;
    this.dropped = [];
    return concat([
      ...dropped.map((droppedName) => serialize.close({ type: 'S', name: droppedName })),
      ...(text === undefined ? [] : [serialize.parse({ name, text }), serialize.describe({ type: 'S', name })]),
      serialize.bind({ statement: name, values: parameters.map(encode) }),
      serialize.execute(),
      serialize.sync(),
    ]);
  }

  /** Sends messages and reads their answer. Calls `onParsed` when a statement was parsed, also if it failed afterwards. */
  private async exchange(
    bytes: Uint8Array,
    knownFields?: readonly Field[],
    onParsed?: (fields: readonly Field[]) => void,
  ): Promise<Result> {
    const answer = await this.send(bytes);
    let fields: readonly Field[] = knownFields ?? [];
    const rows: (string | null)[][] = [];
    let [tag, isParsed, failure]: [string, boolean, Error | undefined] = ['', false, undefined];
    this.parser.parse(answer, (message) => {
      if (message instanceof messages.DataRowMessage) rows.push(message.fields);
      else if (message instanceof messages.RowDescriptionMessage) fields = message.fields;
      else if (message instanceof messages.CommandCompleteMessage) tag = message.text;
      else if (message instanceof messages.DatabaseError) failure ??= message;
      else if (message.name === 'parseComplete') isParsed = true;
    });
    if (isParsed) onParsed?.(fields);
    if (failure) throw failure as Error;
    return { fields, rows, tag };
  }

  private send(request: EngineRequest): Promise<Uint8Array> {
    if (this.ended) return Promise.reject(new Unavailable(`database: ${this.ended.message}`));
    this.worker.postMessage(request, typeof request === 'string' ? [] : [request.buffer as ArrayBuffer]);
    return this.next();
  }

  private next(): Promise<Uint8Array> {
    const answer = Promise.withResolvers<Uint8Array>();
    // An idle database does not keep the process alive.
    if (this.waiting.push(answer) === 1) this.worker.ref();
    return answer.promise;
  }

  private settle(how: (request: PromiseWithResolvers<Uint8Array>) => void): void {
    const request = this.waiting.shift();
    if (this.waiting.length === 0) this.worker.unref();
    if (request) how(request);
  }

  private end(error: Error): void {
    this.ended ??= error;
    while (this.waiting.length > 0)
      this.settle((request) => request.reject(new Unavailable(`database: ${error.message}`)));
  }
}

/** Joins the parts in memory of its own, which can be moved to another thread. A buffer of Node's pool would move the whole pool. */
function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Types of time, which MikroORM parses itself. */
const TIMES = new Set([1082, 1114, 1184, 1186]);
const unchanged = (text: string): unknown => text;

function rowsOf<T extends Row>({ fields, rows }: Result, parserFor: typeof parserOf): T[] {
  const columns = fields.map(({ name, dataTypeID }) => ({ name, parse: parserFor(dataTypeID) }));
  return rows.map((values) => {
    const row: Row = {};
    columns.forEach(({ name, parse }, at) => {
      const value = values[at]!;
      row[name] = value === null ? null : parse(value);
    });
    return row as T;
  });
}

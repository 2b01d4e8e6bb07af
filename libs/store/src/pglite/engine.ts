import { Worker } from 'node:worker_threads';
import { Mutex, protocol } from '@electric-sql/pglite';
import { Unavailable } from '@parley/service-kit';
import { encode, parserOf } from '../codec.js';
import type { QueryOptions, Row, Sql } from '../database.js';
import { Lru } from '@parley/service-kit';

const { serialize, messages, Parser } = protocol;
type Field = InstanceType<typeof messages.RowDescriptionMessage>['fields'][number];

/** Messages of Postgres' protocol, or something that only PGlite does. */
export type Order = Uint8Array | 'dump' | 'close';
export type Answer =
  | Uint8Array
  | { readonly failed: { readonly name: string; readonly message: string; readonly code?: string } };

/** Statements that are kept prepared, by their text. */
const MOST_PREPARED = 250;
/** Nothing gathers statistics in PGlite, and a plan that was made when a table was small is used as long as its statement is: none is older than this. */
const PREPARED_MS = 60_000;

interface Statement {
  readonly name: string;
  readonly until: number;
  readonly fields: readonly Field[];
}

type Run = (text: string, parameters: readonly unknown[], options?: QueryOptions) => Promise<Result>;

interface Result {
  readonly fields: readonly Field[];
  readonly rows: readonly (readonly (string | null)[])[];
  /** What was done, and to how many rows: `UPDATE 3`. */
  readonly tag: string;
}

/**
 * PGlite in a thread of its own, so that a long statement holds up nobody but those who wait for the database. PGlite's own `query` goes six times into WebAssembly for one statement, and has it
 * parsed and planned each time; here it is one message, of a statement that is prepared once a minute. One transaction, or statement outside of one, runs at a time, in the order of asking.
 */
export class PgliteEngine {
  private readonly waiting: PromiseWithResolvers<Uint8Array>[] = [];
  private readonly turns = new Mutex();
  private readonly parser = new Parser();
  private readonly prepared = new Lru<Statement>(
    MOST_PREPARED,
    () => 1,
    ({ name }) => this.dropped.push(name),
  );
  /** Names of those that PGlite is still to be told to forget. */
  private dropped: string[] = [];
  private count = 0;
  private ended: Error | undefined;

  private constructor(private readonly worker: Worker) {
    worker.on('message', (answer: Answer) =>
      this.settle((one) =>
        'failed' in answer
          ? one.reject(Object.assign(new Error(answer.failed.message), answer.failed))
          : one.resolve(answer),
      ),
    );
    worker.on('error', (error) => this.end(error));
    worker.on('exit', () => this.end(new Error('its thread ended')));
  }

  /** In memory without a folder; a template is what {@link dump} answered. */
  static async start({ dataDir, template }: { dataDir?: string; template?: Blob }): Promise<PgliteEngine> {
    const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
    // Without this process's own flags, of which not all are allowed.
    const engine = new PgliteEngine(
      new Worker(new URL(file, import.meta.url), { workerData: { dataDir, loadDataDir: template }, execArgv: [] }),
    );
    await engine.next();
    return engine;
  }

  /** A statement outside of transactions. */
  async query<T extends Row>(text: string, parameters: readonly unknown[] = [], options?: QueryOptions): Promise<T[]> {
    return rowsOf<T>(await this.alone(text, parameters, options), parserOf);
  }

  /** Commits when `work` resolves, rolls back when it rejects; `begin` is the statement that opens it. */
  transaction<T>(begin: string, work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.within(begin, (run) =>
      work({
        query: async <R extends Row>(text: string, parameters: readonly unknown[] = [], options?: QueryOptions) =>
          rowsOf<R>(await run(text, parameters, options), parserOf),
      }),
    );
  }

  /** As much of a PGlite as MikroORM uses. */
  get client(): object {
    const querying =
      (run: Run) =>
      async (text: string, parameters: readonly unknown[] = []) => {
        const result = await run(text, parameters);
        return {
          rows: rowsOf(result, (oid) => (TIMES.has(oid) ? asItIs : parserOf(oid))),
          affectedRows: Number(/ (\d+)$/.exec(result.tag)?.[1] ?? 0),
        };
      };
    return {
      ready: true,
      waitReady: Promise.resolve(),
      closed: false,
      close: () => Promise.resolve(),
      query: querying((text, parameters) => this.alone(text, parameters)),
      transaction: (work: (tx: object) => Promise<unknown>) =>
        this.within('begin', (run) => work({ query: querying(run) })),
    };
  }

  /** The whole database, as `template` of another one. */
  dump(): Promise<Blob> {
    return this.turns.runExclusive(async () => new Blob([(await this.ask('dump')) as Uint8Array<ArrayBuffer>]));
  }

  async close(): Promise<void> {
    if (this.ended) return;
    await this.turns.runExclusive(() => this.ask('close'));
    await this.worker.terminate();
  }

  /** In turn with transactions. PGlite does one thing after another anyway: the next is on its way before this one is answered. */
  private async alone(text: string, parameters: readonly unknown[], options?: QueryOptions): Promise<Result> {
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
    return this.exchange(together([serialize.query(text)]));
  }

  private async run(
    text: string,
    parameters: readonly unknown[],
    { prepared = true }: QueryOptions = {},
  ): Promise<Result> {
    if (!prepared) return this.exchange(this.messagesOf('', text, parameters));
    const known = this.prepared.get(text);
    const statement = known && known.until > Date.now() ? known : undefined;
    if (known && !statement) this.prepared.delete(text);
    const name = statement?.name ?? `p${(this.count++).toString(36)}`;
    const bytes = this.messagesOf(name, statement ? undefined : text, parameters);
    return this.exchange(bytes, statement?.fields, (fields) =>
      this.prepared.set(text, { name, fields, until: Date.now() + PREPARED_MS }),
    );
  }

  /** Of a statement under a name, which is prepared first if its text is given. */
  private messagesOf(name: string, text: string | undefined, parameters: readonly unknown[]): Uint8Array {
    const forgotten = this.dropped;
    this.dropped = [];
    return together([
      ...forgotten.map((one) => serialize.close({ type: 'S', name: one })),
      ...(text === undefined ? [] : [serialize.parse({ name, text }), serialize.describe({ type: 'S', name })]),
      serialize.bind({ statement: name, values: parameters.map(encode) }),
      serialize.execute(),
      serialize.sync(),
    ]);
  }

  /** Sends messages that end with one to answer to. `parsed` is told when a statement was parsed, also when it failed afterwards. */
  private async exchange(
    bytes: Uint8Array,
    known?: readonly Field[],
    parsed?: (fields: readonly Field[]) => void,
  ): Promise<Result> {
    const answer = await this.ask(bytes);
    let fields: readonly Field[] = known ?? [];
    const rows: (string | null)[][] = [];
    let [tag, isParsed, failure]: [string, boolean, Error | undefined] = ['', false, undefined];
    this.parser.parse(answer, (message) => {
      if (message instanceof messages.DataRowMessage) rows.push(message.fields);
      else if (message instanceof messages.RowDescriptionMessage) fields = message.fields;
      else if (message instanceof messages.CommandCompleteMessage) tag = message.text;
      else if (message instanceof messages.DatabaseError) failure ??= message;
      else if (message.name === 'parseComplete') isParsed = true;
    });
    if (isParsed) parsed?.(fields);
    if (failure) throw failure as Error;
    return { fields, rows, tag };
  }

  private ask(order: Order): Promise<Uint8Array> {
    if (this.ended) return Promise.reject(new Unavailable(`database: ${this.ended.message}`));
    this.worker.postMessage(order, typeof order === 'string' ? [] : [order.buffer as ArrayBuffer]);
    return this.next();
  }

  private next(): Promise<Uint8Array> {
    const one = Promise.withResolvers<Uint8Array>();
    // The process may end while the database has nothing to do.
    if (this.waiting.push(one) === 1) this.worker.ref();
    return one.promise;
  }

  private settle(how: (one: PromiseWithResolvers<Uint8Array>) => void): void {
    const one = this.waiting.shift();
    if (this.waiting.length === 0) this.worker.unref();
    if (one) how(one);
  }

  private end(error: Error): void {
    this.ended ??= error;
    while (this.waiting.length > 0) this.settle((one) => one.reject(new Unavailable(`database: ${error.message}`)));
  }
}

/** In memory of its own, which can be moved to another thread; a buffer of Node's pool would take the whole pool along. */
function together(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** MikroORM wants times as text and reads them itself. */
const TIMES = new Set([1082, 1114, 1184, 1186]);
const asItIs = (text: string): unknown => text;

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

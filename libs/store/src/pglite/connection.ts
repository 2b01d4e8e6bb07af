import { protocol } from '@electric-sql/pglite';
import { endsWithin, Lru, makeFolderPrivate, Unavailable, withTimeout } from '@parley/service-kit';
import { encode, type QueryOptions } from '../database.js';
import { reasonOf } from '../failures.js';
import { openChannel, type Channel, type EngineAnswer, type EngineOptions, type EngineRequest } from './channels.js';

const { serialize, messages, Parser } = protocol;
/** A column of a result. */
interface Field {
  readonly name: string;
  readonly dataTypeID: number;
}

/** The result of one statement. */
export interface Result {
  readonly fields: readonly Field[];
  readonly rows: readonly (readonly (string | null)[])[];
  /** The command and its number of rows: `UPDATE 3`. */
  readonly tag: string;
}

/** Maximum number of statements that are kept prepared. */
const MAX_PREPARED = 250;
/**
 * Lifetime of a prepared statement. Statistics are renewed seldom, so a plan made for a small table would otherwise be
 * used forever.
 */
const MAX_PREPARED_AGE_MS = 60_000;
/** The longest that PGlite may take to open, with its recovery after a crash. On a full disk it may never answer. */
const OPEN_TIMEOUT_MS = 120_000;
/** The longest that PGlite may take to close; then its thread is ended, as by a crash. */
const CLOSE_TIMEOUT_MS = 5_000;

interface Statement {
  readonly name: string;
  readonly until: number;
  readonly fields: readonly Field[];
}

/**
 * The connection to one opened PGlite, in a thread of this process or in another process. A failure after which
 * Postgres would restart (a PANIC because the write-ahead log cannot be written, a trap in WebAssembly), or a statement
 * beyond its time limit, ends it: what was under way is rejected as {@link Unavailable}, and so is everything after it.
 */
export class EngineConnection {
  /** Resolves with the reason when the connection has ended. */
  readonly ended: Promise<Error>;
  private readonly channel: Channel;
  /** Several processes share one session of Postgres, and with it the names of statements. */
  private readonly isShared: boolean;
  private readonly waiting: PromiseWithResolvers<Uint8Array>[] = [];
  private readonly parser = new Parser();
  private readonly prepared = new Lru<Statement>(
    MAX_PREPARED,
    () => 1,
    ({ name }) => this.dropped.push(name),
  );
  /** Names of statements that PGlite has still to close. */
  private dropped: string[] = [];
  private count = 0;
  private failure: Error | undefined;
  private readonly reportEnd: (reason: Error) => void;
  private watchdog: NodeJS.Timeout | undefined;
  private limitMs: number | undefined;

  private readonly dataDir: string | undefined;

  constructor(options: EngineOptions) {
    this.dataDir = options.dataDir;
    const { promise, resolve } = Promise.withResolvers<Error>();
    [this.ended, this.reportEnd] = [promise, resolve];
    const listener = {
      answered: (answer: EngineAnswer) => {
        if ('failed' in answer) this.end(Object.assign(new Error(answer.failed.message), answer.failed));
        else this.settle((request) => request.resolve(answer));
      },
      ended: (reason: Error) => this.end(reason),
    };
    this.isShared = options.socket !== undefined;
    this.channel = openChannel(options, listener);
  }

  /** Waits until the database is open. Rejects with PGlite's error, and ends the connection, when it cannot be opened. */
  async open(): Promise<this> {
    try {
      const opened = this.next();
      await withTimeout(OPEN_TIMEOUT_MS, opened, () => new Error(`it did not open within ${OPEN_TIMEOUT_MS / 1000} s`));
      // PGlite chooses the rights of files that it creates at its start, whatever those of new files are to be.
      if (this.dataDir !== undefined) await makeFolderPrivate(this.dataDir);
      return this;
    } catch (error) {
      this.end(error as Error);
      await this.terminate();
      throw this.failure!;
    }
  }

  /**
   * Ends the connection when a statement takes longer, because PGlite can neither cancel it nor answer anything meanwhile.
   */
  limit(statementTimeoutMs: number): void {
    this.limitMs = statementTimeoutMs;
  }

  /** Runs a command without parameters: `begin`, `commit`. */
  command(text: string): Promise<Result> {
    return this.exchange(concat([serialize.query(text)]));
  }

  /** Runs a statement, which is kept prepared unless the options say otherwise. */
  run(text: string, parameters: readonly unknown[], { prepared = true }: QueryOptions = {}): Promise<Result> {
    if (!prepared || this.isShared) return this.exchange(this.messagesOf('', text, parameters));
    const kept = this.prepared.get(text);
    const statement = kept && kept.until > Date.now() ? kept : undefined;
    if (kept && !statement) this.prepared.delete(text);
    const name = statement?.name ?? `p${(this.count++).toString(36)}`;
    const bytes = this.messagesOf(name, statement ? undefined : text, parameters);
    return this.exchange(bytes, statement?.fields, (fields) =>
      this.prepared.set(text, { name, fields, until: Date.now() + MAX_PREPARED_AGE_MS }),
    );
  }

  /** Sends a request, whose bytes may be moved to a thread, and resolves with its answer. */
  send(request: EngineRequest): Promise<Uint8Array> {
    if (this.failure) return Promise.reject(unavailable(this.failure));
    this.channel.post(request);
    return this.next();
  }

  /**
   * Closes the database after the requests before. One that does not close in time is ended, which it survives like a
   * crash.
   */
  async close(): Promise<void> {
    if (!this.failure) await endsWithin(CLOSE_TIMEOUT_MS, this.send('close')).catch(() => false);
    await this.terminate();
  }

  /** Ends the connection at once, and a thread as by a crash. Resolves when it no longer touches the folder. */
  async terminate(): Promise<void> {
    this.end(new Error('closed'));
    await this.channel.end();
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

  private next(): Promise<Uint8Array> {
    const answer = Promise.withResolvers<Uint8Array>();
    if (this.waiting.push(answer) === 1) {
      // An idle database does not keep the process alive.
      this.channel.ref();
      if (this.limitMs !== undefined) this.watch(this.limitMs);
    }
    return answer.promise;
  }

  private watch(limitMs: number): void {
    this.watchdog ??= setTimeout(() => this.end(new Error(`a statement took longer than ${limitMs} ms`)), limitMs);
    this.watchdog.refresh();
  }

  private settle(how: (request: PromiseWithResolvers<Uint8Array>) => void): void {
    const request = this.waiting.shift();
    if (this.waiting.length === 0) {
      this.channel.unref();
      clearTimeout(this.watchdog);
      this.watchdog = undefined;
    } else this.watchdog?.refresh();
    if (request) how(request);
  }

  private end(reason: Error): void {
    if (this.failure) return;
    this.failure = reason;
    while (this.waiting.length > 0) this.settle((request) => request.reject(unavailable(reason)));
    this.reportEnd(reason);
  }
}

/** With the SQLSTATE of a crashed server, because MikroORM replaces the error by one of its own, which keeps only that. */
const unavailable = (reason: Error): Unavailable =>
  Object.assign(new Unavailable(`database: ${reasonOf(reason)}`), { code: CRASHED });
const CRASHED = '57P02';

/**
 * Joins the parts in memory of its own, which can be moved to another thread. A buffer of Node's pool would move the
 * whole pool.
 */
function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

import { statfs } from 'node:fs/promises';
import { Mutex } from '@electric-sql/pglite';
import { backOffMs, pause, type Logger } from '@parley/service-kit';
import { parserOf, type QueryOptions, type Row, type Sql } from '../database.js';
import { reasonOf } from '../failures.js';
import type { EngineOptions } from './channels.js';
import { EngineConnection, type Result } from './connection.js';

type Run = (text: string, parameters: readonly unknown[], options?: QueryOptions) => Promise<Result>;

/** Pauses before a broken database is opened again. The longest is short, because people wait for it after they made room on the disk. */
const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 1_000;
/** A database that worked for this long starts again with the first pause. */
const STABLE_MS = 30_000;
/** On a disk that stays full, another attempt only costs time and memory. */
const FULL_DISK_PAUSE_MS = 30_000;
/** After this time without success, on a disk with room, a new process has to try. */
const HOPELESS_AFTER_MS = 60_000;
/** Two segments of the write-ahead log: with less room, a database may not open. */
export const ROOM_NEEDED = 32 * 1024 * 1024;
/** Room that somebody made, more than a failed attempt frees. */
const ROOM_GAINED = 1024 * 1024;

/** The right to use the database alone. */
export interface Turn {
  /** Sends messages of Postgres' protocol, up to a Sync or a simple query, and resolves with their answer. */
  send(bytes: Uint8Array): Promise<Uint8Array>;
  rollBack(): Promise<void>;
  release(): void;
}

/**
 * PGlite in a thread of its own, so that a long statement only delays callers of the database. PGlite's own `query` enters WebAssembly six times for one statement, and parses and plans it each
 * time; here a statement is one message, and is prepared once a minute. Transactions and single statements run one at a time, in the order of the calls.
 */
export class PgliteEngine {
  private readonly turns = new Mutex();
  private readonly closing = new AbortController();
  /** A thread that is being opened in place of the broken one. */
  private successor: EngineConnection | undefined;
  private hopelessBecause: string | undefined;

  private constructor(
    private thread: EngineConnection,
    private readonly options: EngineOptions,
  ) {}

  /** Opens the database. Rejects with PGlite's error. */
  static async start(options: EngineOptions): Promise<PgliteEngine> {
    return new PgliteEngine(await new EngineConnection(options).open(), options);
  }

  /**
   * From now on a statement has a time limit, and a database that broke (its disk was full, a statement took too long) is opened again, with everything that was committed, until it is closed. Meanwhile calls are
   * rejected as `Unavailable`. A database in memory stays broken.
   */
  serve(statementTimeoutMs: number, logger: Logger): void {
    void this.keepOpen(statementTimeoutMs, logger);
  }

  /** The reason why the database is broken and will not open again in this process; undefined while it works or may recover. */
  get hopeless(): string | undefined {
    return this.hopelessBecause;
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
      transaction: async (work: (tx: object) => Promise<unknown>) => {
        let hasBegun = false;
        try {
          return await this.within('begin', (run) => {
            hasBegun = true;
            return work({ query: querying(run) });
          });
        } catch (error) {
          // Kysely waits for the call of `work` for ever, and leaves a rejection before it unhandled, which would end the process.
          if (!hasBegun) await work({ query: () => Promise.reject(error as Error) });
          throw error;
        }
      },
    };
  }

  /** Waits for a turn, which lasts until `release`: whatever is sent meanwhile belongs together, as a transaction does. */
  async turn(): Promise<Turn> {
    const release = await this.turns.acquire();
    // The database may be opened again meanwhile.
    const { thread } = this;
    return {
      send: (bytes) => thread.send(bytes),
      rollBack: async () => void (await thread.command('rollback')),
      release,
    };
  }

  /** The whole database, as `template` of another one. */
  dump(): Promise<Blob> {
    return this.turns.runExclusive(async () => new Blob([(await this.thread.send('dump')) as Uint8Array<ArrayBuffer>]));
  }

  /** Closes the database. One that is not idle is ended at once, which it survives like a crash. */
  async close({ isIdle = true } = {}): Promise<void> {
    this.closing.abort();
    await this.successor?.terminate();
    await (isIdle ? this.thread.close() : this.thread.terminate());
  }

  private async keepOpen(statementTimeoutMs: number, logger: Logger): Promise<void> {
    for (let failures = 0; ; failures += 1) {
      this.thread.limit(statementTimeoutMs);
      const openedAt = Date.now();
      const reason = reasonOf(await this.thread.ended);
      if (this.closing.signal.aborted) return;
      if (this.options.dataDir === undefined) return void (this.hopelessBecause = reason);
      logger.error({ reason }, 'the database broke: it is opened again; calls are unavailable until then');
      if (Date.now() - openedAt > STABLE_MS) failures = 0;
      failures = await this.reopen(this.options.dataDir, failures, logger);
      if (this.closing.signal.aborted) return;
      this.hopelessBecause = undefined;
      logger.warn('the database is open again');
    }
  }

  /** Opens the database again, however long it takes, unless it is closed. Resolves with the number of failures in a row. */
  private async reopen(dataDir: string, failures: number, logger: Logger): Promise<number> {
    await this.thread.terminate();
    const since = Date.now();
    let last = { at: 0, free: 0 };
    for (;;) {
      await pause(backOffMs(failures, FIRST_PAUSE_MS, MAX_PAUSE_MS), this.closing.signal);
      const free = await roomAt(dataDir);
      if (this.closing.signal.aborted) return failures;
      const isAsFull = free < ROOM_NEEDED && free <= last.free + ROOM_GAINED;
      if (isAsFull && Date.now() - last.at < FULL_DISK_PAUSE_MS) continue;
      last = { at: Date.now(), free };
      this.successor = new EngineConnection(this.options);
      try {
        this.thread = await this.successor.open();
        return failures;
      } catch (error) {
        const reason = reasonOf(error);
        failures += 1;
        if (Date.now() - since > HOPELESS_AFTER_MS && free >= ROOM_NEEDED) this.hopelessBecause = reason;
        logger.error({ reason, freeBytes: free, neededBytes: ROOM_NEEDED }, 'the database cannot be opened yet');
      } finally {
        this.successor = undefined;
      }
    }
  }

  /** Waits for its turn, but not for its answer: PGlite works in order, so the next statement may be sent before this one is answered. */
  private async runInTurn(text: string, parameters: readonly unknown[], options?: QueryOptions): Promise<Result> {
    const { result } = await this.turns.runExclusive(async () => ({
      result: this.thread.run(text, parameters, options),
    }));
    return result;
  }

  private within<T>(begin: string, work: (run: Run) => Promise<T>): Promise<T> {
    return this.turns.runExclusive(async () => {
      // The database may be opened again meanwhile: the transaction belongs to the thread that began it.
      const { thread } = this;
      await thread.command(begin);
      let open = true;
      try {
        const result = await work((text, parameters, options) =>
          open ? thread.run(text, parameters, options) : Promise.reject(new Error('the transaction has ended')),
        );
        open = false;
        if ((await thread.command('commit')).tag !== 'COMMIT')
          throw new Error('a statement of the transaction had failed: nothing was committed');
        return result;
      } catch (error) {
        open = false;
        await thread.command('rollback');
        throw error;
      }
    });
  }
}

/** The bytes that this process may still write to the disk of a folder; all of them when the system does not tell. */
export const roomAt = (folder: string): Promise<number> =>
  statfs(folder).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => Infinity,
  );

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

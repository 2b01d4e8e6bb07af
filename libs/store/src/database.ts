/** The interface of both engines, and what keeps its promises for both: the format of values, retries, reachability. */
import { setTimeout as pause } from 'node:timers/promises';
import type { SqlEntityManager } from '@mikro-orm/postgresql';
import pg from 'pg';
import { kindOf, reasonOf, translate } from './failures.js';

/**
 * A row as both engines return it: bigint columns are numbers (they stay far below 2^53), `numeric` (so also
 * `sum(bigint)`) is a string, timestamps are Dates, json is parsed, bytea is a Buffer, arrays are arrays.
 */
export type Row = Record<string, unknown>;

/**
 * Runs SQL with `$1` parameters. Both engines are given the same text for a value: arrays become Postgres arrays
 * (`$1::uuid[]`), plain objects become JSON, Dates keep their milliseconds, byte arrays become bytea, undefined is
 * null. A JSON array has to be given as `JSON.stringify(list)`.
 */
export interface Sql {
  query<T extends Row = Row>(text: string, parameters?: readonly unknown[], options?: QueryOptions): Promise<T[]>;
}

/** Options of one statement. */
export interface QueryOptions {
  /**
   * Default: true. A prepared statement is parsed once per connection and, after some calls, planned once for all
   * parameters. False: planned for its parameters each time, for statements whose best plan depends on them, such as a
   * search for a rare or a frequent word.
   */
  readonly prepared?: boolean;
}

/** Attributes of the spans of statements and transactions. */
export const spanAttributes = { 'db.system.name': 'postgresql' };

/** Options of one transaction. Default: `read committed`, and it may write. */
export interface TransactionOptions {
  readonly isolation?: 'read committed' | 'repeatable read';
  readonly readOnly?: boolean;
}

/**
 * A service's database: Postgres under the service's own role, or PGlite. Both run the same SQL. An abstract class, so
 * that Nest injects it by type. Rejects with `Unavailable` when the database cannot be reached, is read-only, full,
 * shutting down, or too slow; the work may still have been committed. Other errors of the database are `SqlError`: they
 * name the SQLSTATE and the constraint, never a value.
 */
export abstract class Database implements Sql {
  abstract query<T extends Row = Row>(
    text: string,
    parameters?: readonly unknown[],
    options?: QueryOptions,
  ): Promise<T[]>;
  /**
   * One transaction (READ COMMITTED unless `isolation` says otherwise). Serialization failures and deadlocks (40001,
   * 40P01) are retried here, at most 3 times, so `work` may run again. `work` must use only its `sql`: PGlite has one
   * connection, so using the database itself would wait forever.
   */
  abstract transaction<T>(work: (sql: Sql) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /**
   * One transaction with MikroORM's entities: a fresh identity map, flushed before the commit. Retried like
   * {@link transaction}. For paths that are not hot (ADR 27).
   */
  abstract entities<T>(work: (em: SqlEntityManager) => Promise<T>): Promise<T>;
  /**
   * Undefined when the database was reached at the last attempt; otherwise the reason, for operators. While there is a
   * problem, the database is probed every second.
   */
  abstract problem(): string | undefined;
  /** Waits for work under way, then closes. Later calls reject with `Unavailable`. */
  abstract close(): Promise<void>;
}

const quoted = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`;
const element = (value: unknown): string => {
  if (Array.isArray(value)) return arrayLiteral(value);
  const text = encode(value);
  return text === null ? 'NULL' : quoted(text);
};
const arrayLiteral = (values: readonly unknown[]): string => `{${values.map(element).join(',')}}`;

/** A parameter in Postgres' text format, the same on both engines. */
export function encode(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string') return value;
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return arrayLiteral(value);
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`;
  return typeof value === 'object' ? JSON.stringify(value) : String(value as number | bigint | boolean);
}

type Parse = (text: string) => unknown;
const builtIn = (oid: number): Parse => pg.types.getTypeParser(oid, 'text') as Parse;
const INT8 = 20;
const INT8_ARRAY = 1016;
const TEXT_ARRAY = 1009;
const textArray = builtIn(TEXT_ARRAY) as (text: string) => (string | null)[];
const own = new Map<number, Parse>([
  [INT8, Number],
  [INT8_ARRAY, (text) => textArray(text).map((item) => (item === null ? null : Number(item)))],
]);

/** The parser of columns of type `oid`. Unknown types stay text. */
export const parserOf = (oid: number): Parse => own.get(oid) ?? builtIn(oid);

const MAX_RETRIES = 3;
const backoffMs = (attempt: number): number => Math.random() * 20 * 2 ** attempt;

/**
 * Whether the database could be reached at the last attempt. While it could not, it is probed every second, so that
 * readiness returns without a caller's attempt.
 */
export class Reachability {
  private reason: string | undefined;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(private readonly probe: () => Promise<void>) {}

  problem(): string | undefined {
    return this.reason;
  }
  succeeded(): void {
    this.reason = undefined;
    clearTimeout(this.timer);
    this.timer = undefined;
  }
  failed(error: unknown): void {
    this.reason = reasonOf(error);
    if (this.timer || this.closed) return;
    this.timer = setTimeout(() => void this.probeAgain(), 1000).unref();
  }
  close(): void {
    this.closed = true;
    this.reason = 'closed';
    clearTimeout(this.timer);
  }

  private async probeAgain(): Promise<void> {
    this.timer = undefined;
    try {
      await this.probe();
      this.succeeded();
    } catch (error) {
      this.failed(error);
    }
  }
}

/**
 * Runs `work`, and repeats it after a serialization failure or a deadlock. Translates errors of drivers into those that
 * `Database` promises.
 */
export async function withRetries<T>(reachability: Reachability, work: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      const result = await work();
      if (reachability.problem() !== undefined) reachability.succeeded();
      return result;
    } catch (error) {
      const kind = kindOf(error);
      if (kind === 'away') reachability.failed(error);
      if (kind !== 'retry' || attempt === MAX_RETRIES) throw translate(error);
      await pause(backoffMs(attempt));
    }
  }
}

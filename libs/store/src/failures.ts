import { ChatError } from '@parley/contracts';
import { Unavailable } from '@parley/service-kit';

/**
 * An error that the database answered. `code` is the SQLSTATE. It may be logged: its text, `constraint` and `table`
 * name parts of the schema, and values of rows and parameters, which drivers attach to their errors, are removed.
 */
export class SqlError extends Error {
  override readonly name = 'SqlError';
  constructor(
    message: string,
    readonly code: string,
    readonly constraint?: string,
    readonly table?: string,
  ) {
    super(message);
  }
}

/** True for a unique violation, of the given constraint if one is named. */
export const isUniqueViolation = (error: unknown, constraint?: string): boolean =>
  error instanceof SqlError && error.code === '23505' && (constraint === undefined || error.constraint === constraint);

const RETRIED = new Set(['40001', '40P01']);
// Classes 08 (connection), 53 (resources), 57P0x (shutting down, starting), 58 (I/O), and: read-only, statement
// cancelled by its timeout, lock timeout, idle transaction ended, cannot set a transaction up.
const AWAY = /^(08...|53...|57P0.|58...|25006|57014|55P03|25P03|25P04)$/;
/** One statement was too slow; the database is available. */
const SLOW = new Set(['57014', '55P03']);
const SOCKET = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'ECONNABORTED',
]);
// Errors of the pg driver and of PGlite without a code.
const DRIVER =
  /timeout expired|connection terminated|connection ended|not queryable|timeout exceeded when trying to connect|query read timeout|after calling end|client was closed|pglite is (closed|closing)|connection error|server closed|premature close|driver has already been destroyed/i;

interface Coded {
  readonly code?: unknown;
  readonly constraint?: unknown;
  readonly table?: unknown;
  readonly message?: unknown;
}
/** The code of an error of a driver: an SQLSTATE, or a code of the operating system. Undefined if it has none. */
export const codeOf = (error: unknown): string | undefined => {
  const code = typeof error === 'object' && error !== null ? (error as Coded).code : undefined;
  return typeof code === 'string' ? code : undefined;
};
const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/**
 * The kind of a failure, which decides about its connection and the caller's error: `retry` the transaction; the
 * database is `away`; the statement was too `slow`; the database `answered` an error; or the error is `foreign`, not of
 * the database.
 */
export type FailureKind = 'retry' | 'away' | 'slow' | 'answered' | 'foreign';
/** The {@link FailureKind} of anything that a driver or the work of a transaction threw. */
export function kindOf(error: unknown): FailureKind {
  const code = codeOf(error);
  if (error instanceof Unavailable) return 'away';
  if (error instanceof ChatError || error instanceof SqlError) return 'foreign';
  if (code !== undefined) {
    if (RETRIED.has(code)) return 'retry';
    if (SLOW.has(code)) return 'slow';
    if (AWAY.test(code) || SOCKET.has(code)) return 'away';
    // A migration changed a table of a prepared statement. A new connection prepares it again.
    if (code === '0A000' && error instanceof Error && error.message.includes('cached plan')) return 'away';
    if (/^[0-9A-Z]{5}$/.test(code)) return 'answered';
  }
  return error instanceof Error && DRIVER.test(error.message) ? 'away' : 'foreign';
}

/** The failure in one line for people, without values and stack. */
export function reasonOf(error: unknown): string {
  const code = codeOf(error);
  const message = error instanceof Error && error.message !== '' ? error.message.split('\n')[0]! : 'no message';
  return code === undefined || message.includes(code) ? message : `${message} (${code})`;
}

/** Translates an error of a driver into the one that the caller of `Database` gets. */
export function translate(error: unknown): unknown {
  if (error instanceof Unavailable) return error;
  const kind = kindOf(error);
  if (kind === 'foreign') return error;
  if (kind === 'answered') {
    const { message, constraint, table } = error as Coded;
    // MikroORM puts the statement in front of the message: too long for a log line.
    return new SqlError(
      text(message)?.split('\n').at(-1)?.split(' - ').at(-1) ?? 'database error',
      codeOf(error)!,
      text(constraint),
      text(table),
    );
  }
  return new Unavailable(`database: ${reasonOf(error).replace(/^database: /, '')}`);
}

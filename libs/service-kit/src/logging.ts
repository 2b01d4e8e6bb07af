import { AsyncLocalStorage } from 'node:async_hooks';
import type { LoggerService } from '@nestjs/common';
import { pino, type DestinationStream } from 'pino';

/** Writes one line at one level: `fields` become properties of the JSON, `err` an error with its stack. */
interface LogLine {
  (message: string): void;
  (fields: object, message?: string): void;
}

/** Writes log lines. A class, so that Nest injects it by type; a pino logger is one. */
export abstract class Logger {
  abstract readonly debug: LogLine;
  abstract readonly info: LogLine;
  abstract readonly warn: LogLine;
  abstract readonly error: LogLine;
  abstract readonly fatal: LogLine;
}

/** What follows one piece of work through a process; every log line carries it. */
export interface Trace {
  /** See {@link TraceContext}; whatever else a message of the broker named it by. */
  traceId: string;
  /** The span that the work is, or that it was asked for in. */
  spanId?: string;
  conversationId?: string;
  messageId?: string;
  userId?: string;
}
const traces = new AsyncLocalStorage<Trace>();
/** Runs `work` so that its log lines, and what it publishes, carry `trace`. */
export const withTrace = <T>(trace: Trace, work: () => T): T => traces.run(trace, work);
export const currentTrace = (): Trace | undefined => traces.getStore();

const secrets = ['password', 'accessToken', 'refreshToken', 'token', 'authorization', 'body'];

/**
 * JSON lines, on standard output unless told: level, time, service, trace id. Bodies, passwords and tokens are not given to it by anybody;
 * hiding fields of those names is the net below that rule.
 */
export function createLogger(service: string, level: string = 'info', destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { service },
    mixin: () => ({ ...traces.getStore() }),
    redact: { paths: secrets.flatMap((name) => [name, `*.${name}`]), censor: '[hidden]' },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return destination ? pino(options, destination) : pino(options);
}

/** Nest's own lines, in our format. Its start-up chatter is `debug`. */
export function nestLogger(logger: Logger): LoggerService {
  const line =
    (level: 'debug' | 'warn' | 'error' | 'fatal') =>
    (message: unknown, ...rest: unknown[]) => {
      const context = rest.at(-1);
      logger[level](
        {
          context: typeof context === 'string' ? context : undefined,
          ...(message instanceof Error ? { err: message } : {}),
        },
        String(message),
      );
    };
  return {
    log: line('debug'),
    debug: line('debug'),
    verbose: line('debug'),
    warn: line('warn'),
    error: line('error'),
    fatal: line('fatal'),
  };
}

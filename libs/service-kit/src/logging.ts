import type { LoggerService } from '@nestjs/common';
import { pino, type DestinationStream } from 'pino';
import { currentTrace } from './tracing.js';

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

const secrets = ['password', 'accessToken', 'refreshToken', 'token', 'authorization', 'body'];

/**
 * Writes JSON lines with level, time, service and trace id, to standard output by default. Callers must not log bodies,
 * passwords or tokens; as a precaution, fields of these names are hidden.
 */
export function createLogger(service: string, level: string = 'info', destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { service },
    mixin: () => ({ ...currentTrace() }),
    redact: { paths: secrets.flatMap((name) => [name, `*.${name}`]), censor: '[hidden]' },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return destination ? pino(options, destination) : pino(options);
}

/** Writes Nest's own lines in our format. Its start-up messages become `debug`. */
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

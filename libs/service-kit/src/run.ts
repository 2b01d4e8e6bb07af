import { ConfigError } from './config.js';
import type { Logger } from './logging.js';
import { keepFilesPrivate } from './private-files.js';

/** A failure to start that an operator can fix, said in one line; it is printed without a stack. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/** Something that was started and can be stopped. */
export interface Running {
  /** Ends in this order: not ready, no new work, work under way done, connections closed. */
  stop(): Promise<void>;
}

/** A started process: how to stop it, where it logs, and how long its stop may take. */
export interface RunningProcess extends Running {
  readonly logger?: Logger;
  /** The process ends itself when a stop takes longer, in milliseconds. Default: 25,000. */
  readonly stopTimeoutMs?: number;
}

const STOP_TIMEOUT_MS = 25_000;

/**
 * Runs a process: starts it, stops it on SIGTERM or SIGINT, and ends with code 1 and a readable line when it cannot
 * start. A second signal, or a stop that takes too long, ends it at once. An uncaught defect ends it with its stack: a
 * process in an unknown state must not continue, and the supervisor starts a new one. Files that it creates are its
 * user's alone.
 */
export async function run(name: string, start: () => Promise<RunningProcess>): Promise<void> {
  keepFilesPrivate();
  const complain = (text: string): void => void process.stderr.write(`${name}: ${text}\n`);
  const exitOn =
    (what: string) =>
    (error: unknown): never => {
      complain(textOf(what, error));
      process.exit(1);
    };

  let running: RunningProcess | undefined;
  let stopping = false;
  const starting = start();
  const stop = (signal: string) => {
    if (stopping) process.exit(1);
    stopping = true;
    const timeoutMs = running?.stopTimeoutMs ?? STOP_TIMEOUT_MS;
    setTimeout(() => {
      complain(`did not stop within ${timeoutMs} ms of ${signal}; ending`);
      process.exit(1);
    }, timeoutMs).unref();
    void starting.then((started) => started.stop()).then(() => process.exit(0), exitOn('could not stop'));
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  running = await starting.catch(exitOn('could not start'));
  for (const kind of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(kind, (error: unknown) => {
      running?.logger?.fatal({ err: error, kind }, 'an uncaught defect; the process ends');
      exitOn(kind)(error);
    });
  }
}

function textOf(what: string, error: unknown): string {
  if (error instanceof ConfigError) {
    const count = error.problems.length === 1 ? 'a problem' : `${error.problems.length} problems`;
    return [`the configuration has ${count}:`, ...error.problems].join('\n  ');
  }
  if (error instanceof StartError) return error.message;
  return `${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}

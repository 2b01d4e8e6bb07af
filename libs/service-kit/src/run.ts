import { ConfigError } from './config.js';
import type { Logger } from './logging.js';

/** A failure to start that is somebody's to mend, said in one line; no stack. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

export interface Running {
  /** Ends in order: not ready, no new work, work under way done, connections closed. */
  stop(): Promise<void>;
}

/**
 * Runs a process: starts it, stops it on SIGTERM or SIGINT, and ends with code 1 and a readable line when it cannot start.
 * A second signal, or a stop that takes longer than `graceMs`, ends it at once. A defect that nobody caught ends it with its stack:
 * a process in an unknown state must not go on, and the supervisor starts a new one.
 */
export async function run(
  service: string,
  start: () => Promise<Running & { logger?: Logger }>,
  graceMs = 25_000,
): Promise<void> {
  const fail = (error: unknown): never => {
    if (error instanceof ConfigError) {
      process.stderr.write(
        `${service}: the configuration has ${error.problems.length === 1 ? 'a problem' : `${error.problems.length} problems`}:\n`,
      );
      for (const problem of error.problems) process.stderr.write(`  ${problem}\n`);
    } else if (error instanceof StartError) {
      process.stderr.write(`${service}: ${error.message}\n`);
    } else {
      process.stderr.write(
        `${service}: could not start: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
      );
    }
    process.exit(1);
  };

  let stopping = false;
  let running: Running | undefined;
  const starting = start();
  const stop = (signal: string) => {
    if (stopping) process.exit(1);
    stopping = true;
    setTimeout(() => {
      process.stderr.write(`${service}: did not stop within ${graceMs} ms of ${signal}; ending\n`);
      process.exit(1);
    }, graceMs).unref();
    void starting.then((started) => started.stop()).then(() => process.exit(0), fail);
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  try {
    running = await starting;
  } catch (error) {
    fail(error);
  }
  const logger = (running as (Running & { logger?: Logger }) | undefined)?.logger;
  for (const kind of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(kind, (error: unknown) => {
      logger?.fatal({ err: error, kind }, 'a defect that nobody caught; the process ends');
      process.stderr.write(
        `${service}: ${kind}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
      );
      process.exit(1);
    });
  }
}

import type { z } from 'zod';
import { loadConfig, type commonConfig } from './config.js';
import { Health } from './health.js';
import { createLogger, type Logger } from './logging.js';
import { run, type Running, type RunningProcess } from './run.js';
import { startTracing } from './tracing.js';

type ConfigOf<S extends z.ZodRawShape> = Readonly<z.output<z.ZodObject<S>>>;
type CommonConfig = ConfigOf<typeof commonConfig>;

/** A dependency that a service opened: a database, a broker, a connection to Redis. */
interface Resource {
  /** Ends the work under way, if that takes at most `graceMs`, and closes. */
  close(graceMs?: number): Promise<void>;
}

/** The arguments of a service's `open`. */
export interface ServiceContext<C> {
  readonly config: C;
  readonly logger: Logger;
  readonly health: Health;
  /**
   * Makes the service close a resource when it stops, or when a later step of its start fails; resources are closed in
   * the reverse order of these calls. With a `check`, the service is ready only while `problem` returns undefined.
   */
  use<T extends Resource>(resource: T, check?: string, problem?: (resource: T) => string | undefined): T;
}

/**
 * Opens the resources of a service and serves. Resolves once it serves; the answer's `stop` ends the work under way and
 * leaves the resources open.
 */
export type OpenService<C> = (context: ServiceContext<C>) => Promise<Running>;

/** The part of a stop that comes after the grace period: closing connections. */
const CLOSE_TIMEOUT_MS = 15_000;
/** A resource gets at least this long to close, also when serving used up the grace period. */
const MIN_CLOSE_MS = 2_000;

/**
 * The one way in which a service's process starts and stops: it reads its configuration, is live at once, opens its
 * resources, serves, and is ready. On SIGTERM it is no longer ready, serves what is under way within
 * `SHUTDOWN_GRACE_MS`, closes its resources (last opened, first closed), its health endpoints and its tracing. See
 * {@link run} for signals and exit codes.
 */
export const runService = <S extends typeof commonConfig>(
  name: string,
  shape: S,
  open: OpenService<ConfigOf<S>>,
): Promise<void> => run(name, async () => startService(name, loadConfig(shape) as ConfigOf<S> & CommonConfig, open));

/** {@link runService} without the process around it. */
export async function startService<C extends CommonConfig>(
  name: string,
  config: C,
  open: OpenService<C>,
): Promise<RunningProcess & { readonly logger: Logger }> {
  const logger = createLogger(name, config.LOG_LEVEL);
  const graceMs = config.SHUTDOWN_GRACE_MS;
  const health = new Health(name);
  const closing: ((graceMs: number) => Promise<void>)[] = [];
  const stop = async () => {
    health.drain();
    const until = Date.now() + graceMs;
    await inTurn(closing.toReversed().map((close) => () => close(Math.max(MIN_CLOSE_MS, until - Date.now()))));
  };
  try {
    const tracing = await startTracing(name, config, logger);
    closing.push(() => tracing.stop());
    await health.listen(config.HEALTH_PORT, config.HEALTH_HOST);
    closing.push(() => health.close());
    const service = await open({
      config,
      logger,
      health,
      use(resource, check, problem) {
        closing.push((closeMs) => resource.close(closeMs));
        if (check !== undefined && problem) health.check(check, () => problem(resource));
        return resource;
      },
    });
    closing.push(() => service.stop());
  } catch (error) {
    await stop().catch((err: unknown) => logger.error({ err }, 'could not close everything after a failed start'));
    throw error;
  }
  health.open();
  logger.info('serving');
  return { stop, logger, stopTimeoutMs: graceMs + CLOSE_TIMEOUT_MS };
}

/** Runs every step, also after a failed one, and then throws the first failure. */
async function inTurn(steps: readonly (() => Promise<void>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) await step().catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw failures[0];
}

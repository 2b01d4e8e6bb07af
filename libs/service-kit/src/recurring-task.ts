import { setTimeout as sleep } from 'node:timers/promises';
import { ChatError } from '@parley/contracts';
import type { Logger } from './logging.js';
import { Unavailable } from './unavailable.js';

/** The settings of a {@link RecurringTask}. */
export interface RecurringTaskOptions {
  /** For log lines. */
  readonly name: string;
  readonly logger: Logger;
  /**
   * The pause between the end of one run and the beginning of the next, in milliseconds. A function is asked after
   * every run.
   */
  readonly everyMs: number | (() => number);
  /** The pause after a run that failed, in milliseconds. Default: `everyMs`. */
  readonly retryMs?: number;
  /** Each pause is longer or shorter by up to this share of it, so that replicas do not run in step. Default: 0. */
  readonly jitter?: number;
  /** Whether the first run begins at once. Default: after the first pause. */
  readonly immediately?: boolean;
  /** One run. `signal` is aborted by {@link RecurringTask.stop}; a long run should then end early. */
  run(signal: AbortSignal): Promise<void>;
}

/**
 * Runs work repeatedly, never twice at a time, from its construction until {@link stop}. A failed run does not end it:
 * it logs a failure when it changes (an unavailable dependency as a warning, other errors as an error), and the first
 * success afterwards. Its pauses do not keep the process alive.
 */
export class RecurringTask {
  private readonly stopping = new AbortController();
  private readonly running: Promise<void>;
  private failure: string | undefined;

  constructor(private readonly options: RecurringTaskOptions) {
    this.running = this.repeat();
  }

  /** Begins no further run. Resolves when the one under way has ended. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async repeat(): Promise<void> {
    const { signal } = this.stopping;
    if (!this.options.immediately) await this.pause();
    while (!signal.aborted) {
      await this.once();
      await this.pause();
    }
  }

  private async pause(): Promise<void> {
    const { everyMs, retryMs, jitter = 0 } = this.options;
    const usual = typeof everyMs === 'number' ? everyMs : everyMs();
    const pauseMs = this.failure === undefined ? usual : (retryMs ?? usual);
    const jittered = pauseMs * (1 - jitter + Math.random() * 2 * jitter);
    await sleep(jittered, undefined, { ref: false, signal: this.stopping.signal }).catch(() => undefined);
  }

  private async once(): Promise<void> {
    const { name, logger } = this.options;
    try {
      await this.options.run(this.stopping.signal);
      if (this.failure !== undefined) logger.info({ task: name }, 'a recurring task works again');
      this.failure = undefined;
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error);
      if (failure !== this.failure) this.log(error);
      this.failure = failure;
    }
  }

  private log(error: unknown): void {
    const { name, logger } = this.options;
    const missing = error instanceof Unavailable || (error instanceof ChatError && error.code === 'unavailable');
    if (missing)
      logger.warn(
        { err: error, task: name },
        'a recurring task failed because a dependency is unavailable; it is tried again',
      );
    else logger.error({ err: error, task: name }, 'a recurring task failed; it is tried again');
  }
}

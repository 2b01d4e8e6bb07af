import { Unavailable, type Logger } from '@parley/service-kit';

/** Does `sweep` again and again, `pauseMs` after it ended, until stopped. A store that is away is tried again; so is a sweep with a defect, which is logged. */
export function startSweeper(sweep: () => Promise<void>, pauseMs: number, logger: Logger): { stop(): Promise<void> } {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let under = Promise.resolve();
  const next = () => {
    if (stopped) return;
    timer = setTimeout(() => {
      under = sweep()
        .catch((error: unknown) => {
          if (!(error instanceof Unavailable)) logger.error({ err: error }, 'a sweep failed');
        })
        .finally(next);
    }, pauseMs);
  };
  next();
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
      return under;
    },
  };
}

import type { Logger } from '@parley/service-kit';

/**
 * Does `work` again and again, `intervalMs` after it last ended (give or take a tenth, so that gateways do not march in step). A failure is logged, once
 * until it succeeds again. The answer stops it.
 */
export function every(intervalMs: () => number, name: string, logger: Logger, work: () => Promise<void>): () => void {
  let timer: NodeJS.Timeout;
  let stopped = false;
  let failing = false;
  const once = async () => {
    try {
      await work();
      if (failing) logger.info({ task: name }, 'a recurring task works again');
      failing = false;
    } catch (error) {
      if (!failing)
        logger.warn(
          { task: name, reason: error instanceof Error ? error.message : String(error) },
          'a recurring task failed; it is tried again',
        );
      failing = true;
    }
    if (!stopped) schedule();
  };
  const schedule = () => {
    timer = setTimeout(() => void once(), intervalMs() * (0.9 + Math.random() * 0.2));
  };
  schedule();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}

import { setTimeout as delay } from 'node:timers/promises';

export interface EventuallyOptions {
  /** Gives up after this long; default 10,000. */
  readonly timeoutMs?: number;
  /** Pause between two tries; default 25. */
  readonly intervalMs?: number;
}

class Pending extends Error {}

/** Rejects with `Pending` when `work` takes longer; `work` itself goes on. */
async function within<T>(work: Promise<T>, ms: number): Promise<T> {
  const timer = new AbortController();
  const late = delay(ms, undefined, { signal: timer.signal }).then(() =>
    Promise.reject(new Pending('a try did not end')),
  );
  late.catch(() => undefined);
  return Promise.race([work, late]).finally(() => timer.abort());
}

/**
 * Waits until `check` holds: tries it again and again until it neither throws nor answers `false`, and resolves with what it answered.
 * Rejects after `timeoutMs` with the last failure as `cause` and in the message, also when a single try never ends. Tries don't overlap.
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  { timeoutMs = 10_000, intervalMs = 25 }: EventuallyOptions = {},
): Promise<Exclude<T, false>> {
  const giveUp = Date.now() + timeoutMs;
  const failure = new Error();
  for (;;) {
    try {
      const answer = await within((async () => check())(), Math.max(1, giveUp - Date.now()));
      if (answer !== false) return answer as Exclude<T, false>;
      failure.cause = new Pending('the check answered false');
    } catch (error) {
      if (!(error instanceof Pending) || failure.cause === undefined) failure.cause = error;
    }
    if (Date.now() + intervalMs >= giveUp) break;
    await delay(intervalMs);
  }
  failure.message = `not within ${timeoutMs} ms: ${failure.cause instanceof Error ? failure.cause.message : String(failure.cause)}`;
  throw failure;
}

import { setTimeout as delay } from 'node:timers/promises';

/** How long and how often {@link eventually} tries. */
export interface EventuallyOptions {
  /** Maximum time, in milliseconds. Default: 10,000. */
  readonly timeoutMs?: number;
  /** Pause between two attempts, in milliseconds. Default: 25. */
  readonly intervalMs?: number;
}

/** The check has neither failed nor succeeded yet. */
class Pending extends Error {}

/** Rejects with `Pending` when `work` takes longer. `work` itself continues. */
async function withTimeout<T>(work: Promise<T>, ms: number): Promise<T> {
  const timer = new AbortController();
  const late = delay(ms, undefined, { signal: timer.signal }).then(() =>
    Promise.reject(new Pending('an attempt did not end')),
  );
  late.catch(() => undefined);
  return Promise.race([work, late]).finally(() => timer.abort());
}

/**
 * Waits until `check` holds: calls it repeatedly until it neither throws nor returns `false`, and resolves with its
 * result. Rejects after `timeoutMs` with the last failure as `cause` and in the message, also when a single attempt
 * never ends. Attempts do not overlap.
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  { timeoutMs = 10_000, intervalMs = 25 }: EventuallyOptions = {},
): Promise<Exclude<T, false>> {
  const deadline = Date.now() + timeoutMs;
  const failure = new Error();
  for (;;) {
    try {
      const result = await withTimeout((async () => check())(), Math.max(1, deadline - Date.now()));
      if (result !== false) return result as Exclude<T, false>;
      failure.cause = new Pending('the check returned false');
    } catch (error) {
      if (!(error instanceof Pending) || failure.cause === undefined) failure.cause = error;
    }
    if (Date.now() + intervalMs >= deadline) break;
    await delay(intervalMs);
  }
  failure.message = `not within ${timeoutMs} ms: ${failure.cause instanceof Error ? failure.cause.message : String(failure.cause)}`;
  throw failure;
}

import { ParleyError } from './errors.js';

/** How long {@link retryTemporary} tries. */
export interface RetryOptions {
  /** Ends the attempts: the call rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Default: no limit. */
  readonly maxAttempts?: number;
  /** Called with each temporary failure that is going to be retried. */
  readonly onRetry?: ((error: ParleyError) => void) | undefined;
}

/**
 * Milliseconds to wait before attempt number `attempt` (from 0). Doubles from `firstMs` up to `maxMs`, with jitter in
 * the upper half, so that clients that failed together do not return together.
 */
export function backoffMs(attempt: number, firstMs = 500, maxMs = 30_000): number {
  const step = Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 20));
  return step / 2 + Math.random() * (step / 2);
}

/** Resolves after `ms`. Rejects with the signal's reason when that aborts first. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    const abort = () => {
      clearTimeout(timer);
      reject(signal!.reason as Error);
    };
    signal?.addEventListener('abort', abort, { once: true });
  });
}

/**
 * Runs `work` until it succeeds. Waits between attempts for as long as the server asked for, and for a growing
 * backoff. Rejects with the first error that is not temporary, or with the last one after `maxAttempts`.
 */
export async function retryTemporary<T>(
  work: () => Promise<T>,
  { signal, maxAttempts = Infinity, onRetry }: RetryOptions = {},
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      signal?.throwIfAborted();
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof ParleyError) || !error.temporary || attempt + 1 >= maxAttempts) throw error;
      onRetry?.(error);
      await pause(Math.max(error.retryAfterMs ?? 0, backoffMs(attempt)), signal);
    }
  }
}

/** How long to wait before attempt number `attempt` (from 0), in milliseconds: doubling, with full jitter in its upper half, so that clients that failed together don't come back together. */
export function backoffMs(attempt: number, firstMs = 500, mostMs = 30_000): number {
  const step = Math.min(mostMs, firstMs * 2 ** Math.min(attempt, 20));
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

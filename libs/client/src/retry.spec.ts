import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ParleyError } from './errors.js';
import { retryTemporary } from './retry.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Fails with these codes, one after another, then succeeds. */
function failing(...errors: readonly ParleyError[]) {
  const remaining = [...errors];
  return vi.fn<() => Promise<string>>(async () => {
    const error = remaining.shift();
    if (error) throw error;
    return 'done';
  });
}
const busy = new ParleyError('rate_limited', 'busy', { retryAfterMs: 20_000 });
const unavailable = new ParleyError('unavailable', 'not reachable');

it('retries temporary failures', async () => {
  const work = failing(unavailable, busy);
  const failures: ParleyError[] = [];
  const result = retryTemporary(work, { onRetry: (error) => failures.push(error) });
  await vi.advanceTimersByTimeAsync(1_000);
  expect(work).toHaveBeenCalledTimes(2);
  await vi.advanceTimersByTimeAsync(18_000);
  expect(work).toHaveBeenCalledTimes(2);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(await result).toBe('done');
  expect(failures).toEqual([unavailable, busy]);
});

it('rejects with a failure that is not temporary, or with the last one', async () => {
  const forbidden = new ParleyError('forbidden', 'not allowed');
  await expect(retryTemporary(failing(forbidden))).rejects.toBe(forbidden);
  const work = failing(unavailable, unavailable);
  const result = retryTemporary(work, { maxAttempts: 2 });
  await Promise.all([expect(result).rejects.toBe(unavailable), vi.advanceTimersByTimeAsync(1_000)]);
  expect(work).toHaveBeenCalledTimes(2);
});

it('stops when its signal aborts', async () => {
  const abort = new AbortController();
  const work = failing(unavailable);
  const result = retryTemporary(work, { signal: abort.signal });
  await vi.advanceTimersByTimeAsync(0);
  const reason = new Error('closed');
  abort.abort(reason);
  await expect(result).rejects.toBe(reason);
  expect(work).toHaveBeenCalledTimes(1);
});

import { describe, expect, it } from 'vitest';
import { eventually } from './eventually.js';

describe('eventually', () => {
  it('resolves with the first result that is not false, after attempts that throw or return false', async () => {
    let attempts = 0;
    const result = await eventually(
      () => {
        attempts += 1;
        if (attempts === 1) throw new Error('too early');
        return attempts < 4 ? false : `attempt ${attempts}`;
      },
      { intervalMs: 1 },
    );
    expect(result).toBe('attempt 4');
  });

  it('takes undefined for success, so that a check can be an assertion', async () => {
    await expect(eventually(() => undefined)).resolves.toBeUndefined();
  });

  it('rejects with the last failure in the message and as the cause', async () => {
    const failure = new Error('3 of 4 arrived');
    const attempt = eventually(() => Promise.reject(failure), { timeoutMs: 30, intervalMs: 5 });
    await expect(attempt).rejects.toMatchObject({ message: 'not within 30 ms: 3 of 4 arrived', cause: failure });
  });

  it('rejects in time although an attempt never ends', async () => {
    await expect(eventually(() => new Promise<void>(() => undefined), { timeoutMs: 30 })).rejects.toThrow(
      'not within 30 ms: an attempt did not end',
    );
  });
});

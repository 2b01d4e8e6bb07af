import { describe, expect, it } from 'vitest';
import { eventually } from './eventually.js';

describe('eventually', () => {
  it('resolves with the first answer that is not false, after tries that throw or answer false', async () => {
    let tries = 0;
    const answer = await eventually(
      () => {
        tries += 1;
        if (tries === 1) throw new Error('too early');
        return tries < 4 ? false : `try ${tries}`;
      },
      { intervalMs: 1 },
    );
    expect(answer).toBe('try 4');
  });

  it('takes undefined as success, so that a check can be an assertion', async () => {
    await expect(eventually(() => undefined)).resolves.toBeUndefined();
  });

  it('gives up with the last failure in the message and as the cause', async () => {
    const failure = new Error('3 of 4 arrived');
    const attempt = eventually(() => Promise.reject(failure), { timeoutMs: 30, intervalMs: 5 });
    await expect(attempt).rejects.toMatchObject({ message: 'not within 30 ms: 3 of 4 arrived', cause: failure });
  });

  it('gives up although a try never ends', async () => {
    await expect(eventually(() => new Promise<void>(() => undefined), { timeoutMs: 30 })).rejects.toThrow(
      'not within 30 ms: a try did not end',
    );
  });
});

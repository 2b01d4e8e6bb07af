import { describe, expect, it } from 'vitest';
import { endsWithin, withTimeout } from './timeout.js';

const never = new Promise<never>(() => undefined);
const late = () => new Error('too late');

describe('withTimeout', () => {
  it('settles as the work does', async () => {
    expect(await withTimeout(10_000, Promise.resolve(7), late)).toBe(7);
    await expect(withTimeout(10_000, Promise.reject(new Error('failed')), late)).rejects.toThrow('failed');
  });

  it('rejects when the work takes too long', async () => {
    await expect(withTimeout(1, never, late)).rejects.toThrow('too late');
  });
});

describe('endsWithin', () => {
  it('says whether the work ended in time', async () => {
    expect(await endsWithin(10_000, Promise.resolve())).toBe(true);
    expect(await endsWithin(1, never)).toBe(false);
  });

  it('rejects when the work does', async () => {
    await expect(endsWithin(10_000, Promise.reject(new Error('failed')))).rejects.toThrow('failed');
  });
});

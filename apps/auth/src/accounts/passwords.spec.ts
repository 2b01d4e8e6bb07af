import { Unavailable } from '@parley/service-kit';
import { describe, expect, it } from 'vitest';
import { defaultSettings } from '../settings.js';
import { Passwords } from './passwords.js';

const passwords = async (passwordConcurrency: number, passwordQueue: number) => {
  const created = new Passwords({ ...defaultSettings, passwordConcurrency, passwordQueue });
  await created.onApplicationBootstrap();
  return created;
};

describe('passwords', () => {
  it('match their own hash and no other', async () => {
    const hasher = await passwords(2, 10);
    const [one, two] = await Promise.all([hasher.hash('the first password'), hasher.hash('the first password')]);
    expect(one).not.toBe(two);
    expect(await hasher.matches(one, 'the first password')).toBe(true);
    expect(await hasher.matches(one, 'the second password')).toBe(false);
  });

  it('of unknown names match nothing and take a place in the queue like all others, so they cost the same', async () => {
    const hasher = await passwords(1, 1);
    const stored = await hasher.hash('some password');
    const unknown = hasher.matches(undefined, 'some password');
    const known = hasher.matches(stored, 'some password');
    await expect(hasher.matches(undefined, 'x')).rejects.toThrow(Unavailable);
    await expect(hasher.matches(stored, 'x')).rejects.toThrow(Unavailable);
    expect(await unknown).toBe(false);
    expect(await known).toBe(true);
  });

  it('release their place in the queue, also after failures', async () => {
    const hasher = await passwords(1, 2);
    await expect(hasher.matches('no hash at all', 'x')).rejects.toThrow(/./);
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => hasher.hash('some password')));
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'rejected',
      'rejected',
    ]);
    expect(await hasher.hash('once more')).toContain('$argon2id$');
  });
});

import { Unavailable } from '@parley/service-kit';
import { describe, expect, it } from 'vitest';
import { defaultSettings } from '../settings.js';
import { Passwords } from './passwords.js';

const passwords = async (passwordConcurrency: number, passwordQueue: number) => {
  const made = new Passwords({ ...defaultSettings, passwordConcurrency, passwordQueue });
  await made.onApplicationBootstrap();
  return made;
};

describe('passwords', () => {
  it('match their own hash and no other', async () => {
    const all = await passwords(2, 10);
    const [one, two] = await Promise.all([all.hash('the first password'), all.hash('the first password')]);
    expect(one).not.toBe(two);
    expect(await all.matches(one, 'the first password')).toBe(true);
    expect(await all.matches(one, 'the second password')).toBe(false);
  });

  it('of nobody match nothing, and take a place in the queue as every other: unknown names cost the same', async () => {
    const all = await passwords(1, 1);
    const stored = await all.hash('some password');
    const unknown = all.matches(undefined, 'some password');
    const known = all.matches(stored, 'some password');
    await expect(all.matches(undefined, 'x')).rejects.toThrow(Unavailable);
    await expect(all.matches(stored, 'x')).rejects.toThrow(Unavailable);
    expect(await unknown).toBe(false);
    expect(await known).toBe(true);
  });

  it('give their places back, also after failures', async () => {
    const all = await passwords(1, 2);
    await expect(all.matches('no hash at all', 'x')).rejects.toThrow(/./);
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => all.hash('some password')));
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'rejected',
      'rejected',
    ]);
    expect(await all.hash('once more')).toContain('$argon2id$');
  });
});

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
    await expect(hasher.matches(undefined, 'x', '192.0.2.1')).rejects.toThrow(Unavailable);
    await expect(hasher.matches(stored, 'x', '192.0.2.2')).rejects.toThrow(Unavailable);
    expect(await unknown).toBe(false);
    expect(await known).toBe(true);
  });

  it('of different addresses take turns, however many one of them has', async () => {
    const hasher = await passwords(1, 100);
    const order: string[] = [];
    const check = (address: string) => hasher.hash('some password', address).then(() => order.push(address));
    const [busy, other] = ['192.0.2.1', '2001:db8::1'];
    const waiting = [
      ...Array.from({ length: 6 }, () => check(busy)),
      check(other),
      check('2001:db8::2'),
      check('192.0.2.3'),
    ];
    await Promise.all(waiting);
    // A /64 network of IPv6 is one address.
    expect(order).toEqual([busy, busy, other, '192.0.2.3', busy, '2001:db8::2', busy, busy, busy]);
  });

  it('of the address with the most waiting make room for those of others', async () => {
    const hasher = await passwords(1, 3);
    const busy = Array.from({ length: 5 }, () => hasher.hash('some password', '192.0.2.1'));
    const others = ['192.0.2.2', '192.0.2.3', '192.0.2.4'].map((address) => hasher.hash('some password', address));
    const outcomes = await Promise.allSettled([...busy, ...others]);
    const told = outcomes.map((outcome) =>
      outcome.status === 'fulfilled' ? 'hashed' : ((outcome.reason as { code?: string }).code ?? outcome.reason.name),
    );
    expect(told.slice(0, 5)).toEqual(['hashed', 'hashed', 'rate_limited', 'rate_limited', 'rate_limited']);
    expect(told.slice(5)).toEqual(['hashed', 'hashed', 'Unavailable']);
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

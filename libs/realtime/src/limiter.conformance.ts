import { ChatError, newId } from '@parley/contracts';
import { eventually } from '@parley/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Limiter, Limiters } from './limiter.js';

/** Takes `tries` times, one after another. Returns how many were allowed, and the last refusal. */
export async function takeMany(
  limiter: Limiter,
  key: string,
  tries: number,
): Promise<{ taken: number; refusal?: ChatError }> {
  const outcome: { taken: number; refusal?: ChatError } = { taken: 0 };
  for (let i = 0; i < tries; i++) {
    await limiter.take(key).then(
      () => outcome.taken++,
      (error: ChatError) => (outcome.refusal = error),
    );
  }
  return outcome;
}

/** The tests that every implementation of {@link Limiters} must pass. */
export function limiterConformance(open: () => Promise<Limiters>): void {
  let limiters: Limiters;
  beforeAll(async () => {
    limiters = await open();
  });
  afterAll(() => limiters.close());

  it('refuses actions beyond the rate with the time to wait', async () => {
    const { taken, refusal } = await takeMany(limiters.create({ name: newId(), points: 30, seconds: 60 }), 'key', 40);
    expect(taken).toBe(30);
    expect(refusal).toMatchObject({ name: 'ChatError', code: 'rate_limited' });
    expect(refusal?.retryAfterMs).toBeGreaterThan(50_000);
    expect(refusal?.retryAfterMs).toBeLessThanOrEqual(60_000);
  });

  it('allows again after `retryAfterMs`', async () => {
    const limiter = limiters.create({ name: newId(), points: 2, seconds: 1 });
    const { refusal } = await takeMany(limiter, 'key', 3);
    const told = performance.now() + refusal!.retryAfterMs!;
    await eventually(() => limiter.take('key').then(() => true), { timeoutMs: 3000, intervalMs: 20 });
    expect(performance.now()).toBeGreaterThan(told - 100);
    expect(performance.now()).toBeLessThan(told + 500);
  });

  it('allows a burst', async () => {
    const limiter = limiters.create({ name: newId(), points: 1, seconds: 30, burst: 60 });
    const { taken, refusal } = await takeMany(limiter, 'key', 100);
    expect(taken).toBe(60);
    expect(refusal?.retryAfterMs).toBeGreaterThan(20_000);
    expect(refusal?.retryAfterMs).toBeLessThanOrEqual(30_000);
  });

  it('waits for one token after a burst, not for all', async () => {
    const limiter = limiters.create({ name: newId(), points: 10, seconds: 1, burst: 30 });
    const started = performance.now();
    await limiter.take('key', 30);
    await expect(limiter.check('key')).rejects.toMatchObject({ code: 'rate_limited' });
    await eventually(() => limiter.take('key').then(() => true), { timeoutMs: 3000, intervalMs: 10 });
    expect(performance.now() - started).toBeGreaterThan(95);
    await expect(limiter.take('key', 30)).rejects.toMatchObject({ code: 'rate_limited' });
    await limiter.reset('key');
    await limiter.take('key', 30);
  });

  it('counts each key and each limit separately', async () => {
    const [one, other] = [1, 2].map(() => limiters.create({ name: newId(), points: 1, seconds: 60 }));
    await one!.take('ann');
    await one!.take('ben');
    await other!.take('ann');
    await expect(one!.take('ann')).rejects.toMatchObject({ code: 'rate_limited' });
  });

  it('counts several points at once', async () => {
    const limiter = limiters.create({ name: newId(), points: 10, seconds: 60 });
    await limiter.take('key', 9);
    await expect(limiter.take('key', 2)).rejects.toMatchObject({ code: 'rate_limited' });
  });

  it('checks without counting, so that failures can be counted when they happen', async () => {
    const limiter = limiters.create({ name: newId(), points: 2, seconds: 60 });
    for (let i = 0; i < 5; i++) await limiter.check('key');
    await limiter.take('key');
    await limiter.check('key');
    await limiter.take('key');
    await expect(limiter.check('key')).rejects.toMatchObject({ code: 'rate_limited' });
    await limiter.reset('key');
    await limiter.check('key');
  });

  it('allows exactly the rate when all calls come at the same time', async () => {
    const limiter = limiters.create({ name: newId(), points: 25, seconds: 60 });
    const outcomes = await Promise.allSettled(Array.from({ length: 200 }, () => limiter.take('key')));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(25);
  });

  it('accepts a rate below one', async () => {
    const limiter = limiters.create({ name: newId(), points: 0.5, seconds: 1 });
    const { taken, refusal } = await takeMany(limiter, 'key', 2);
    expect(taken).toBe(1);
    expect(refusal?.retryAfterMs).toBeGreaterThan(1000);
  });

  it('takes from several buckets at once, and stops at the first that refuses', async () => {
    const rate = (burst: number) => ({ name: newId(), points: 1, seconds: 60, burst });
    const buckets = limiters.createBuckets({ calls: rate(5), sends: rate(2) });
    const charges = [
      ['calls', 1],
      ['sends', 1],
    ] as const;
    expect(await buckets.take('ann', charges)).toBeUndefined();
    expect(await buckets.take('ann', charges)).toBeUndefined();
    expect(await buckets.take('ann', charges)).toMatchObject({ bucket: 'sends', waitMs: expect.any(Number) });
    expect(await buckets.take('ann', [['calls', 2]])).toBeUndefined();
    expect(await buckets.take('ann', charges)).toMatchObject({ bucket: 'calls' });
    expect(await buckets.take('ben', charges)).toBeUndefined();
  });

  it('allows a charge beyond the burst from a full bucket only, and counts all of it', async () => {
    const buckets = limiters.createBuckets({ added: { name: newId(), points: 1, seconds: 1, burst: 10 } });
    expect(await buckets.take('ann', [['added', 100]])).toBeUndefined();
    const refusal = await buckets.take('ann', [['added', 1]]);
    expect(refusal!.waitMs).toBeGreaterThan(80_000);
    expect(await buckets.take('ben', [['added', 1]])).toBeUndefined();
    expect(await buckets.take('ben', [['added', 100]])).toMatchObject({ bucket: 'added' });
  });
}

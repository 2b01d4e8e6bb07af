import { newId } from '@parley/contracts';
import { createLogger } from '@parley/service-kit';
import { eventually, startRedis } from '@parley/testing';
import { describe, expect, inject, it } from 'vitest';
import { limiterConformance, takeMany } from './limiter.conformance.js';
import { createRedisLimiters } from './limiter.js';

const logger = createLogger('test', 'silent');

describe('limits in Redis', () => {
  limiterConformance(() =>
    createRedisLimiters({ url: inject('servers').redisUrl, logger, prefix: `test-${newId()}:` }),
  );

  it('are shared by all processes', async () => {
    const options = { url: inject('servers').redisUrl, logger, prefix: `test-${newId()}:` };
    const [one, other] = await Promise.all([createRedisLimiters(options), createRedisLimiters(options)]);
    const rate = { name: 'shared', points: 3, seconds: 60 };
    expect(
      (await takeMany(one.create(rate), 'key', 2)).taken + (await takeMany(other.create(rate), 'key', 5)).taken,
    ).toBe(3);
    await Promise.all([one.close(), other.close()]);
  });

  it('are counted per process while Redis is unavailable', async () => {
    const server = await startRedis();
    const limiters = await createRedisLimiters({ url: server.url, logger });
    const limiter = limiters.create({ name: newId(), points: 5, seconds: 60 });
    await server.kill();
    await eventually(() => limiters.problem !== undefined);
    expect((await takeMany(limiter, 'key', 20)).taken).toBe(5);
    await limiters.close();
    await server.stop();
  }, 60_000);
});

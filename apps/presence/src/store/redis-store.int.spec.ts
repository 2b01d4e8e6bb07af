import { newId } from '@parley/contracts';
import { createLogger } from '@parley/service-kit';
import { eventually, startRedis } from '@parley/testing';
import { Redis } from 'ioredis';
import { describe, expect, inject, it } from 'vitest';
import { createRedisStore } from './redis-store.js';
import { storeConformance } from './store.conformance.js';

const logger = createLogger('test', 'silent');
const open = (name: string, options = {}) =>
  createRedisStore({ url: inject('servers').redisUrl, logger, prefix: `test-${name}:`, ...options });

describe('the presence store in Redis', () => {
  storeConformance(open);

  it('loses no change when two replicas change the same records at the same time', async () => {
    const name = newId();
    const [one, other] = await Promise.all([open(name), open(name)]);
    const users = Array.from({ length: 20 }, () => newId());
    const work = [one, other].flatMap((store, which) =>
      Array.from({ length: 8 }, (_, i) =>
        store.update(users, (record) => ({ ...record, closed: { ...record.closed, [`${which}.${i}`]: 1 } })),
      ),
    );
    await Promise.all(work);
    for (const record of (await one.read(users)).records.values()) expect(Object.keys(record.closed)).toHaveLength(16);
    await Promise.all([one.close(), other.close()]);
  });

  it('starts although Redis is slow for a moment', async () => {
    const redis = await startRedis();
    const client = new Redis(redis.url);
    // Longer than one call may take.
    await client.call('CLIENT', 'PAUSE', '800', 'WRITE');
    const store = await createRedisStore({ url: redis.url, logger });
    expect((await store.read([newId()])).complete).toBe(true);
    client.disconnect();
    await store.close();
    await redis.stop();
  });

  it('is incomplete for a while after it lost its data', async () => {
    const redis = await startRedis();
    const options = { url: redis.url, logger, settleMs: 500 };
    const store = await createRedisStore(options);
    const complete = async () => (await store.read([newId()])).complete;
    expect(await complete()).toBe(true);
    const client = new Redis(redis.url);
    await client.flushall();
    client.disconnect();
    expect(await complete()).toBe(false);
    const late = await createRedisStore(options);
    expect((await late.read([newId()])).complete).toBe(true);
    await eventually(complete);
    await Promise.all([store.close(), late.close()]);
    await redis.stop();
  });
});

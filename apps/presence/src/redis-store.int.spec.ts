import { newId } from '@parley/contracts';
import { createLogger } from '@parley/service-kit';
import { describe, expect, inject, it } from 'vitest';
import { createRedisStore } from './redis-store.js';
import { storeConformance } from './store.conformance.js';

const logger = createLogger('test', 'silent');
const open = (name: string, options = {}) => createRedisStore({ url: inject('servers').redisUrl, logger, prefix: `test-${name}:`, ...options });

describe('the presence store in Redis', () => {
  storeConformance(open);

  it('loses no change of two replicas that change the same records at a time', async () => {
    const name = newId();
    const [one, other] = await Promise.all([open(name), open(name)]);
    const users = Array.from({ length: 20 }, () => newId());
    const work = [one, other].flatMap((store, which) =>
      Array.from({ length: 8 }, (_, i) => store.update(users, (record) => ({ ...record, closed: { ...record.closed, [`${which}.${i}`]: 1 } }))));
    await Promise.all(work);
    for (const record of (await one.read(users)).values()) expect(Object.keys(record.closed)).toHaveLength(16);
    await Promise.all([one.close(), other.close()]);
  });
});

import { newId } from '@parley/contracts';
import { createLogger, Unavailable } from '@parley/service-kit';
import { eventually, startRedis, TcpProxy } from '@parley/testing';
import { Redis } from 'ioredis';
import { describe, expect, inject, it } from 'vitest';
import { createRedisTraces } from './traces.js';
import { deviceOf, tracesConformance } from './traces.conformance.js';

const logger = createLogger('test', 'silent');
const prefixed = () => ({ url: inject('servers').redisUrl, logger, prefix: `test-${newId()}:` });

describe('traces in Redis', () => {
  tracesConformance((limits) => createRedisTraces({ ...prefixed(), ...limits }));

  it('are shared by all processes with the same prefix', async () => {
    const options = prefixed();
    const [one, other] = await Promise.all([createRedisTraces(options), createRedisTraces(options)]);
    const messageId = newId();
    one.committed([messageId]);
    other.pushed(messageId, [deviceOf()]);
    await eventually(async () => {
      const trace = await one.of(messageId);
      return trace?.committed !== undefined && trace.pushed.length === 1;
    });
    const redis = new Redis(options.url);
    const keys = await redis.keys(`${options.prefix}*`);
    expect(keys).toEqual([`${options.prefix}trace:{${messageId}}`]);
    expect(await redis.pttl(keys[0]!)).toBeGreaterThan(0);
    expect(await redis.object('ENCODING', keys[0]!)).toMatch(/^(listpack|ziplist)$/);
    redis.disconnect();
    await Promise.all([one.close(), other.close()]);
  });

  it('drop notes at once while Redis is unavailable', async () => {
    const server = await startRedis();
    const proxy = await TcpProxy.to(server.url);
    const traces = await createRedisTraces({ url: proxy.url(server.url), logger });
    try {
      const [lost, found] = [newId(), newId()];
      proxy.refuse();
      proxy.cut();
      await eventually(async () =>
        traces.of(lost).then(
          () => false,
          (error: unknown) => error instanceof Unavailable,
        ),
      );
      traces.committed([lost]);
      proxy.heal();
      await eventually(async () => {
        traces.committed([found]);
        return (await traces.of(found).catch(() => undefined)) !== undefined;
      });
      expect(await traces.of(lost)).toBeUndefined();
    } finally {
      await traces.close();
      await proxy.close();
      await server.stop();
    }
  });
});

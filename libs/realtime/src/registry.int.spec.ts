import { newId } from '@parley/contracts';
import { createLogger, StartError, Unavailable } from '@parley/service-kit';
import { eventually, startRedis, TcpProxy, type PrivateServer } from '@parley/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { connectionOf, registryConformance, located } from './registry.conformance.js';
import { createRedisRegistry, UserLocations, type Registry } from './registry.js';

const logger = createLogger('test', 'silent');
const open = (url: string, options: Partial<Parameters<typeof createRedisRegistry>[0]> = {}) =>
  createRedisRegistry({ url, logger, prefix: `test-${newId()}:`, settleMs: 0, ...options });

describe('the registry in Redis', () => {
  registryConformance((options) => open(inject('servers').redisUrl, options));

  it('is shared by exactly the processes with the same prefix', async () => {
    const url = inject('servers').redisUrl;
    const prefix = `test-${newId()}:`;
    const [one, other, stranger] = await Promise.all([open(url, { prefix }), open(url, { prefix }), open(url)]);
    const connection = connectionOf(newId());
    await one.add(connection);
    expect(await located(other, connection.userId)).toEqual({ 'gateway-a': [connection.userId] });
    expect(await located(stranger, connection.userId)).toEqual({});
    await Promise.all([one.close(), other.close(), stranger.close()]);
  });

  it('gives every key an expiry, except the one that holds its generation', async () => {
    const url = inject('servers').redisUrl;
    const prefix = `test-${newId()}:`;
    const registry = await open(url, { prefix });
    await registry.add(connectionOf(newId()));
    await registry.renew([connectionOf(newId()), connectionOf(newId())]);
    const redis = new Redis(url);
    const forEver = [];
    for (const key of await redis.keys(`${prefix}*`)) if ((await redis.pttl(key)) === -1) forEver.push(key);
    expect(forEver).toEqual([`${prefix}at:born`]);
    redis.disconnect();
    await registry.close();
  });

  it('reports in one line that Redis cannot be reached at the start', async () => {
    const attempt = createRedisRegistry({ url: 'redis://127.0.0.1:1', logger, connectMs: 300 });
    await expect(attempt).rejects.toBeInstanceOf(StartError);
    await expect(attempt).rejects.toThrow(/^Redis can't be reached \(REDIS_URL\): .*ECONNREFUSED/);
  });
});

describe('the registry while Redis fails', () => {
  let server: PrivateServer;
  let proxy: TcpProxy;
  let registry: Registry;
  const settleMs = 800;
  const complete = async () => (await registry.locate([newId()])).complete;

  beforeAll(async () => {
    server = await startRedis();
    proxy = await TcpProxy.to(server.url);
    registry = await open(proxy.url(server.url), { settleMs });
    await eventually(complete);
  }, 60_000);
  afterAll(async () => {
    await registry.close();
    await proxy.close();
    await server.stop();
  });

  it('is incomplete after a flush until gateways had time to renew', async () => {
    const connection = connectionOf(newId());
    await registry.add(connection);
    const redis = new Redis(server.url);
    await redis.flushall();
    redis.disconnect();
    expect(await registry.locate([connection.userId])).toEqual(new UserLocations(new Map(), false));
    expect(await registry.renew([connection])).toEqual({ lapsed: [] });
    await eventually(complete, { timeoutMs: 4 * settleMs });
    expect(await located(registry, connection.userId)).toEqual({ 'gateway-a': [connection.userId] });
  });

  it('is incomplete after a restart with old data', async () => {
    const redis = new Redis(server.url);
    await redis.save();
    redis.disconnect();
    await server.kill();
    await eventually(() => registry.problem !== undefined);
    await expect(registry.locate([newId()])).rejects.toBeInstanceOf(Unavailable);
    await server.start();
    await eventually(() => registry.problem === undefined);
    expect(await complete()).toBe(false);
    await eventually(complete, { timeoutMs: 4 * settleMs });
  });

  it('rejects by its time limit while Redis is frozen, and without asking once it knows', async () => {
    await server.freeze();
    await expect(registry.locate([newId()])).rejects.toThrow(new Unavailable('Redis did not answer within 500 ms'));
    await eventually(() => registry.problem !== undefined);
    const { problem } = registry;
    await expect(registry.add(connectionOf(newId()))).rejects.toThrow(new Unavailable(problem!));
    await server.thaw();
    await eventually(async () => located(registry, newId()), { timeoutMs: 10_000 });
  });

  it('recovers from cut and half-open connections', async () => {
    proxy.cut();
    await eventually(async () => located(registry, newId()));
    proxy.swallow('down');
    await expect(registry.locate([newId()])).rejects.toBeInstanceOf(Unavailable);
    await eventually(() => registry.problem !== undefined, { timeoutMs: 3000 });
    proxy.heal();
    await eventually(async () => located(registry, newId()));
  });
});

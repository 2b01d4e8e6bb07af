import { afterEach, describe, expect, it, vi } from 'vitest';
import { startServers } from './servers.js';

describe('the servers of a test run', () => {
  afterEach(() => vi.unstubAllEnvs());

  it('are those of the environment if all are given there', async () => {
    const given = {
      TEST_AMQP_URL: 'amqp://nowhere:1',
      TEST_DATABASE_URL: 'postgres://nowhere:2',
      TEST_REDIS_URL: 'redis://nowhere:3',
      TEST_MANAGEMENT_URL: '',
    };
    for (const [name, value] of Object.entries(given)) vi.stubEnv(name, value);
    const { addresses, stop } = await startServers();
    expect(addresses).toEqual({
      amqpUrl: 'amqp://nowhere:1',
      databaseUrl: 'postgres://nowhere:2',
      redisUrl: 'redis://nowhere:3',
    });
    await stop();
  });

  it('rejects an unknown TEST_SERVERS', async () => {
    for (const name of ['TEST_AMQP_URL', 'TEST_DATABASE_URL', 'TEST_REDIS_URL']) vi.stubEnv(name, '');
    vi.stubEnv('TEST_SERVERS', 'podman');
    await expect(startServers()).rejects.toThrow('TEST_SERVERS is docker or local, not podman');
  });
});

import { ChatClient, eventually, startCluster, startRedis, type Cluster, type PrivateServer } from '@parley/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';

/** I6: presence is right at most 35 s after any crash. */
const RIGHT_AGAIN_MS = 35_000;

describe('a cluster and its Redis', () => {
  let redis: PrivateServer;
  let cluster: Cluster;
  let ann: ChatClient;
  let ben: ChatClient;
  let conversationId: string;

  beforeAll(async () => {
    redis = await startRedis();
    cluster = await startCluster({ servers: { ...inject('servers'), redisUrl: redis.url } });
    [ann, ben] = await Promise.all([ChatClient.register(cluster.urls[0]!), ChatClient.register(cluster.urls[1]!)]);
    await Promise.all([ann.connect(), ben.connect()]);
    conversationId = (await ann.call('conversation.create', { kind: 'direct', memberIds: [ben.user.id] })).conversation
      .id;
  });
  afterAll(async () => {
    ann?.disconnect();
    ben?.disconnect();
    await cluster?.stop();
    await redis?.stop();
  });

  const seen = (from: number) =>
    ann.events
      .slice(from)
      .flatMap(({ name, payload }) =>
        name === 'presence:changed' && payload.userId === ben.user.id ? [payload.state] : [],
      );
  const stateOfBen = async () => (await ann.http('presence.get', { userIds: [ben.user.id] })).items[0]?.state;
  const showsOnline = () =>
    eventually(async () => expect(await stateOfBen()).toBe('online'), { timeoutMs: RIGHT_AGAIN_MS });
  const changesTo = (state: string, timeoutMs: number, from: number) =>
    ann.waitFor('presence:changed', (event) => event.userId === ben.user.id && event.state === state, timeoutMs, from);
  const deliver = async (body: string) => {
    const { message } = await ann.send(conversationId, body);
    await ben.waitFor('message:new', (event) => event.message.id === message.id, 5_000);
  };

  it('shows watchers the states and departures of users within 5 s', async () => {
    await showsOnline();
    await ann.call('presence.watch', { userIds: [ben.user.id] });
    const from = ann.events.length;
    await ben.call('presence.heartbeat', { state: 'busy' });
    await changesTo('busy', 5_000, from);
    ben.disconnect();
    await changesTo('offline', 5_000, from);
    await ben.connect();
    await changesTo('online', 5_000, from);
    expect(seen(from)).toEqual(['busy', 'offline', 'online']);
  });

  it('keeps everybody online after Redis was flushed', async () => {
    const from = ann.events.length;
    const client = new Redis(redis.url);
    await client.flushall();
    client.disconnect();
    for (const body of ['at once', 'and again']) await deliver(body);
    await showsOnline();
    expect(seen(from)).not.toContain('offline');
  });

  it('keeps delivering while Redis is unavailable', async () => {
    await redis.kill();
    for (const body of ['without Redis', 'and again']) await deliver(body);
    await redis.start();
    await deliver('with an empty Redis');
    await showsOnline();
  });

  it('shows nobody offline because the presence service crashed', async () => {
    const from = ann.events.length;
    await Promise.all(cluster.services.presence.map((one) => one.kill()));
    await cluster.add('presence');
    await showsOnline();
    await ben.call('presence.heartbeat', { state: 'away' });
    await changesTo('away', 30_000, from);
    expect(seen(from)).not.toContain('offline');
  });

  it('I6: shows users of a crashed gateway offline within 35 s', async () => {
    const from = ann.events.length;
    const crashed = performance.now();
    await cluster.gateways[1]!.kill();
    ben.disconnect();
    await changesTo('offline', RIGHT_AGAIN_MS + 5_000, from);
    expect(performance.now() - crashed).toBeLessThan(RIGHT_AGAIN_MS);
    expect(await stateOfBen()).toBe('offline');
  });
});

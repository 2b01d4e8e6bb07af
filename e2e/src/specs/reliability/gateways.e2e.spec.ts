import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { ChatError } from '@parley/contracts';
import { ChatClient, startCluster, type Cluster, type ServiceName } from '@parley/testing';

const seconds = (start: number): number => (performance.now() - start) / 1000;
const refusal = async (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 'answered',
    (error: unknown) => (error instanceof ChatError ? error.code : error),
  );

describe('a cluster with two gateways', () => {
  let cluster: Cluster;
  let ann: ChatClient;
  let ben: ChatClient;
  let conversationId: string;

  beforeAll(async () => {
    cluster = await startCluster({ servers: inject('servers') });
    [ann, ben] = await Promise.all([ChatClient.register(cluster.urls[0]!), ChatClient.register(cluster.urls[1]!)]);
    await Promise.all([ann.connect(), ben.connect()]);
    const { conversation } = await ann.call('conversation.create', { kind: 'direct', memberIds: [ben.user.id] });
    conversationId = conversation.id;
  });
  afterAll(async () => {
    ann?.disconnect();
    ben?.disconnect();
    await cluster?.stop();
  });

  it('delivers to clients of the other gateway, in both directions', async () => {
    const { message: there, recipientOnline } = await ann.send(conversationId, 'from the first');
    // Absent until the new registry is complete.
    expect(recipientOnline).not.toBe(false);
    expect((await ben.waitFor('message:new', ({ message }) => message.id === there.id)).payload.message).toEqual(there);
    const { message: back } = await ben.send(conversationId, 'from the second');
    expect((await ann.waitFor('message:new', ({ message }) => message.id === back.id)).payload.message).toEqual(back);
  });

  it('delivers to all devices of both users at both gateways', async () => {
    const devices = [ann.device(cluster.urls[1]), ben.device(cluster.urls[0])];
    await Promise.all(devices.map((device) => device.connect()));
    const { message } = await ann.send(conversationId, 'to every device');
    await Promise.all(
      [ann, ben, ...devices].map((client) => client.waitFor('message:new', (event) => event.message.id === message.id)),
    );
    for (const device of devices) device.disconnect();
  });

  it('closes a session that ends at one gateway at the other within 5 s', async () => {
    const cem = await ChatClient.register(cluster.urls[0]!);
    const elsewhere = cem.device(cluster.urls[1]);
    await elsewhere.connect();
    const start = performance.now();
    await cem.http('auth.logout', {});
    const { payload } = await elsewhere.waitFor('session:revoked', () => true, 5000);
    expect(payload.reason).toBe('logout');
    expect(seconds(start)).toBeLessThan(5);
    elsewhere.disconnect();
    for (const url of cluster.urls) await expect(refusal(cem.device(url).connect())).resolves.toBe('unauthenticated');
  });

  it.each<[ServiceName, () => Promise<unknown>]>([
    ['auth', () => ann.http('user.list', {})],
    ['history', () => ann.call('conversation.open', { conversationId })],
    ['presence', () => ann.http('presence.get', { userIds: [ben.user.id] })],
  ])('answers unavailable within 10 s only while %s is down', async (name, call) => {
    await expect(refusal(call())).resolves.toBe('answered');
    await Promise.all(cluster.services[name].splice(0).map((one) => one.kill()));
    const start = performance.now();
    await expect(refusal(call())).resolves.toBe('unavailable');
    expect(seconds(start)).toBeLessThan(10);
    await cluster.add(name);
    await expect(refusal(call())).resolves.toBe('answered');
  });

  it('stores once what was sent while messages was down', async () => {
    const clientId = 'while-down';
    await Promise.all(cluster.services.messages.splice(0).map((one) => one.kill()));
    const start = performance.now();
    await expect(refusal(ann.send(conversationId, 'is anybody there', clientId))).resolves.toBe('unavailable');
    expect(seconds(start)).toBeLessThan(10);
    await cluster.add('messages');
    const retried = await ann.send(conversationId, 'is anybody there', clientId);
    const again = await ann.send(conversationId, 'is anybody there', clientId);
    expect([again.message.id, again.duplicate]).toEqual([retried.message.id, true]);
    await ben.waitFor('message:new', ({ message }) => message.id === retried.message.id);
    const history = await ann.history(conversationId);
    expect(history.filter((message) => message.clientId === clientId)).toHaveLength(1);
    expect(ben.eventsOf('message:new').filter(({ payload }) => payload.message.clientId === clientId)).toHaveLength(1);
  });
});

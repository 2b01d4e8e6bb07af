import { createRabbitBroker, type Broker } from '@parley/broker';
import { newId, userRates } from '@parley/contracts';
import { createRedisLimiters, createRedisRegistry, Push, type Limiters, type Registry } from '@parley/realtime';
import { createLogger } from '@parley/service-kit';
import { eventually } from '@parley/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { answerTo, TestGateway, heard, type Device, type Person } from '../spec/test-gateway.js';

const logger = createLogger('gateway', 'silent');
const { amqpUrl, redisUrl } = inject('servers');
const prefix = `gateways-${newId()}:`;
const message = { body: 'hello', createdAt: new Date().toISOString() };

let one: TestGateway;
let two: TestGateway;
const registries: Registry[] = [];
const limiters: Limiters[] = [];
const searching = Promise.withResolvers<void>();
const found = Promise.withResolvers<void>();

async function parts(): Promise<{ broker: Broker; registry: Registry; limiters: Limiters }> {
  const redis = { url: redisUrl, logger, prefix };
  const [registry, shared] = await Promise.all([createRedisRegistry(redis), createRedisLimiters(redis)]);
  registries.push(registry);
  limiters.push(shared);
  return { broker: createRabbitBroker({ url: amqpUrl, service: 'gateway', logger }), registry, limiters: shared };
}

beforeAll(async () => {
  const basics = (gateway: TestGateway) =>
    gateway.serveBasics({
      'message.send.v1': () => ({ message, duplicate: false }),
      'message.search.v1': async ({ input }) => {
        if (input.q === 'slow') {
          searching.resolve();
          await found.promise;
        }
        return { items: [] };
      },
    });
  one = await TestGateway.start({}, basics, await parts());
  two = await TestGateway.start({}, () => undefined, await parts());
});
afterAll(async () => {
  await two.stop();
  await one.stop();
  for (const shared of limiters) await shared.close();
});

/** Tokens are signed with the key of the first gateway, whichever gateway a device connects to. */
const at = async (gateway: TestGateway, person: Person = one.person()): Promise<Device> =>
  gateway.connect(person, {}, await one.token(person));

describe('two gateways', () => {
  it('close the oldest of eleven sockets of a user, at whichever gateway it is', async () => {
    const person = one.person();
    const first = await at(two, person);
    const revoked = heard(first.socket, 'session:revoked');
    const others: Device[] = [];
    for (let n = 0; n < 10; n++) others.push(await at(one, person));
    await eventually(() => expect(revoked).toEqual([{ reason: 'too_many' }]));
    await eventually(() => expect(first.socket.connected).toBe(false));
    expect(others.every(({ socket }) => socket.connected)).toBe(true);
  });

  it('deliver a push to all devices of a user except the excluded one', async () => {
    const person = one.person();
    const devices = [await at(one, person), await at(two, person)];
    const inboxes = devices.map(({ socket }) => heard(socket, 'unread:changed'));
    const push = new Push({ broker: one.broker, registry: registries[0]!, logger });
    const unread = { conversationId: newId(), unread: 0, mentions: 0, readSeq: 1 };
    await push.toUsers([person.user.id], 'unread:changed', unread, { except: devices[0]!.ready.connectionId });
    await eventually(() => expect(inboxes[1]).toEqual([unread]));
    await push.toUsers([person.user.id], 'unread:changed', { ...unread, readSeq: 2 });
    await eventually(() => expect(inboxes.map((inbox) => inbox.length)).toEqual([1, 2]));
  });

  it('count rates together', async () => {
    const person = one.person();
    const devices = [await at(one, person), await at(two, person)];
    const send = ({ socket }: Device) =>
      answerTo(socket, 'message:send', { conversationId: newId(), clientId: newId(), body: 'a' });
    // A burst of 60, and one more for every 50 ms that this takes; two separate rates would let 120 through.
    const started = performance.now();
    const answers = await Promise.all(Array.from({ length: 120 }, (_, n) => send(devices[n % 2]!)));
    const earned = Math.ceil((performance.now() - started) / 50);
    const taken = answers.filter(({ ok }) => ok).length;
    expect(taken).toBeGreaterThanOrEqual(60);
    expect(taken).toBeLessThanOrEqual(60 + earned);
  });

  it('count calls together', async () => {
    const person = one.person();
    const devices = [await at(one, person), await at(two, person)];
    const started = performance.now();
    const answers = await Promise.all(
      Array.from({ length: 600 }, (_, n) => answerTo(devices[n % 2]!.socket, 'presence:heartbeat', {})),
    );
    const { burst, perSecond } = userRates.calls;
    const earned = Math.ceil(((performance.now() - started) / 1000) * perSecond);
    const taken = answers.filter(({ ok }) => ok).length;
    expect(taken).toBeGreaterThanOrEqual(burst - 10);
    expect(taken).toBeLessThanOrEqual(burst + 2 * (burst / 20) + earned);
  });

  it('search for a user one at a time', async () => {
    const token = await one.token(one.person());
    const search = async (gateway: TestGateway, q: string) =>
      (await gateway.fetch(`/api/v1/search/messages?q=${q}`, { token })).status;
    const slow = search(one, 'slow');
    await searching.promise;
    expect(await search(two, 'quick')).toBe(429);
    found.resolve();
    expect(await slow).toBe(200);
    expect(await search(two, 'quick')).toBe(200);
  });

  it('ask Redis once for a send, and once for ten cheap calls', async () => {
    const monitor = await new Redis(redisUrl).monitor();
    const asked: string[][] = [];
    monitor.on('monitor', (_time: string, command: string[], source: string) => {
      if (source !== 'lua') asked.push(command);
    });
    try {
      const device = await at(one);
      const own = () =>
        asked.filter((command) => command.some((part) => part.includes(`bucket:`) && part.includes(device.user.id)));
      const send = { conversationId: newId(), clientId: newId(), body: 'a' };
      for (let n = 0; n < 5; n++) await answerTo(device.socket, 'message:send', { ...send, clientId: newId() });
      await eventually(() => expect(own()).toHaveLength(5));
      for (let n = 0; n < 20; n++) await answerTo(device.socket, 'presence:heartbeat', {});
      await answerTo(device.socket, 'message:send', { ...send, clientId: newId() });
      await eventually(() => expect(own()).toHaveLength(8));
    } finally {
      monitor.disconnect();
    }
  });

  it('both close the sockets of a revoked session', async () => {
    const person = one.person();
    const devices = [await at(one, person), await at(two, person)];
    await one.broker.publish('session.revoked.v1', {
      userId: person.user.id,
      sessionIds: [person.sessionId],
      reason: 'ended',
    });
    await eventually(() => expect(devices.map(({ socket }) => socket.connected)).toEqual([false, false]), {
      timeoutMs: 5_000,
    });
  });
});

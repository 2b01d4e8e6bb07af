import { domainEvents, newId, names, requests, shardOf } from '@parley/contracts';
import { createLogger } from '@parley/service-kit';
import { codeOf, eventually, rounds, startRabbit, TcpProxy } from '@parley/testing';
import { connect, type ChannelModel } from 'amqplib';
import fc from 'fast-check';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DeadLetterCause } from '../delivery/inbound-message.js';
import type { Broker, Delivery } from '../broker.js';
import {
  brokerConformance,
  clientIdOf,
  conversationOf,
  echo,
  frame,
  Gate,
  retries,
  send,
  serving,
  SHARDS,
  type System,
  type SystemOptions,
} from '../conformance.js';
import { createRabbitBroker, type RabbitOptions } from './rabbit-broker.js';
import { AmqpConnection } from './connection.js';
import { Publisher } from './publisher.js';
import { PROBE } from './shard-balancer.js';
import { QueueConsumer } from './queue-consumer.js';
import { listDeadLetters, redrive } from './dead-letters.js';

const logger = createLogger('test', process.env['TEST_LOG'] ?? 'silent');
let rabbit: Awaited<ReturnType<typeof startRabbit>>;
let url: string;
/** Less than our own limit, so that RabbitMQ is the one that refuses. */
const MAX_MESSAGE_BYTES = 8 * 1024 * 1024;
beforeAll(async () => {
  rabbit = await startRabbit({ maxMessageBytes: MAX_MESSAGE_BYTES });
}, 120_000);
afterAll(() => rabbit.stop());

/** A virtual host of its own for every test. */
async function newHost(): Promise<string> {
  const management = new URL(rabbit.managementUrl!);
  const authorization = `Basic ${Buffer.from(`${management.username}:${management.password}`).toString('base64')}`;
  const name = `test-${newId()}`;
  const created = await fetch(`${management.origin}/api/vhosts/${name}`, { method: 'PUT', headers: { authorization } });
  if (!created.ok) throw new Error(`no virtual host: ${created.status}`);
  const host = new URL(rabbit.url);
  host.pathname = name;
  return host.href;
}

/** Begins one call per turn of the event loop: calls of one turn may become one message. */
async function eachTurn<T>(count: number, begin: (at: number) => Promise<T>): Promise<Promise<T>[]> {
  const calls: Promise<T>[] = [];
  for (let at = 0; at < count; at++) {
    calls.push(begin(at));
    await nextTurn();
  }
  return calls;
}

const brokers: Broker[] = [];
const started = async (options: Partial<RabbitOptions> = {}): Promise<Broker> => {
  const broker = createRabbitBroker({
    url,
    service: 'test',
    logger,
    shards: SHARDS,
    retries,
    balanceEveryMs: 300,
    ...options,
  });
  brokers.push(broker);
  await broker.start();
  return broker;
};

async function open({ outbox }: SystemOptions = {}): Promise<System> {
  url = await newHost();
  const server = await started();
  const client = await started(outbox === undefined ? {} : { outbox: { messages: outbox, bytes: 1e6 } });
  return {
    client,
    server,
    deadLetters: async () =>
      (await listDeadLetters(url)).map((dead) => ({ ...dead, reason: dead.reason as DeadLetterCause['reason'] })),
    redrive: async () => (await redrive(url)).redriven,
    inject: async (queue, name, payload) => {
      const connection = await connect(url);
      const channel = await connection.createConfirmChannel();
      channel.sendToQueue(queue, Buffer.from(JSON.stringify(payload)), { type: name });
      await channel.waitForConfirms();
      await connection.close();
    },
    close: async () => void (await Promise.all([client.close(100), server.close(100)])),
  };
}

describe('RabbitMQ', () => {
  brokerConformance(open);
});

describe('RabbitMQ, with failures', () => {
  let admin: ChannelModel;
  const proxies: TcpProxy[] = [];
  const proxied = async (
    options: Partial<RabbitOptions> = {},
    query = '',
  ): Promise<{ broker: Broker; proxy: TcpProxy }> => {
    const proxy = await TcpProxy.to(url);
    proxies.push(proxy);
    return { broker: await started({ url: proxy.url(url) + query, ...options }), proxy };
  };
  beforeEach(async () => {
    url = await newHost();
    admin = await connect(url);
    admin.on('error', () => undefined);
  });
  afterEach(async () => {
    await Promise.all(brokers.splice(0).map((broker) => broker.close(100)));
    await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
    await admin.close().catch(() => undefined);
  });

  /** Serves sends, and notes the first delivery of each message, in order, per conversation. */
  async function witness(broker: Broker): Promise<{ seen: Map<string, string[]>; count: () => number }> {
    const seen = new Map<string, string[]>();
    const known = new Set<string>();
    const note = (delivery: Delivery) => {
      const { conversationId, clientId } = (delivery.payload as { input: { conversationId: string; clientId: string } })
        .input;
      if (known.has(conversationId + clientId)) return;
      known.add(conversationId + clientId);
      seen.set(conversationId, [...(seen.get(conversationId) ?? []), clientId]);
    };
    await broker.serve(
      'messages',
      serving({
        'message.send.v1': {
          max: 100,
          concurrency: 2,
          handle: async (deliveries) => {
            await new Promise((resolve) => setTimeout(resolve, 2));
            for (const delivery of deliveries) {
              note(delivery);
              delivery.reply({ clientId: clientIdOf(delivery) });
            }
          },
        },
      }),
    );
    return { seen, count: () => known.size };
  }

  /**
   * Sends `count` messages in eight conversations, at most 500 at a time, while `meanwhile` runs. All must be handled
   * in order, and answered after at most `maxAttempts` attempts each.
   */
  async function storm(
    client: Broker,
    { seen }: { seen: Map<string, string[]> },
    count: number,
    maxAttempts: number,
    meanwhile: (progress: () => number) => Promise<void>,
  ): Promise<void> {
    const conversations = Array.from({ length: 8 }, () => newId());
    const sent = new Map(conversations.map((id) => [id, [] as string[]]));
    let next = 0;
    let answered = 0;
    const sender = async () => {
      while (next < count) {
        const at = next++;
        const conversation = conversations[at % 8]!;
        sent.get(conversation)!.push(`${at}`);
        let answer = send(client, conversation, `${at}`, 20_000);
        for (let attempt = 1; attempt < maxAttempts; attempt++)
          answer = answer.catch(() => send(client, conversation, `${at}`, 20_000));
        expect(await answer).toEqual({ clientId: `${at}` });
        answered++;
      }
    };
    await Promise.all([meanwhile(() => answered), ...Array.from({ length: 500 }, sender)]);
    expect(seen).toEqual(sent);
  }

  it('loses nothing and keeps the order through cut connections during 5,000 sends', async () => {
    const [server, client] = [await proxied(), await proxied({ confirmTimeoutMs: 20_000 })];
    let cuts = 0;
    await storm(client.broker, await witness(server.broker), 5000, 1, async (progress) => {
      for (const at of [300, 1000, 1800, 2600, 3500, 4300]) {
        await eventually(() => progress() >= at, { timeoutMs: 30_000, intervalMs: 2 });
        cuts += (at % 200 === 0 ? server : client).proxy.cut();
      }
    });
    expect(cuts).toBeGreaterThan(6);
    expect(await listDeadLetters(url)).toEqual([]);
  });

  it('loses nothing and keeps the order through a crash of RabbitMQ', async () => {
    const [server, client] = [await started(), await started({ confirmTimeoutMs: 30_000 })];
    const seen = await witness(server);
    // RabbitMQ saves its list of quorum queues every half second; a younger queue is unusable after a crash.
    const savedAt = Date.now() + 2000;
    await eventually(() => Date.now() > savedAt);
    await storm(client, seen, 3000, 3, async (progress) => {
      await eventually(() => progress() >= 1000, { timeoutMs: 30_000, intervalMs: 2 });
      await rabbit.kill();
      await rabbit.start();
    });
    await eventually(() => expect([client.status, server.status]).toEqual([{ ready: true }, { ready: true }]));
  }, 120_000);

  it('loses no event while the connection of the publisher is cut', async () => {
    const [server, client] = [await started(), await proxied()];
    const seen = new Set<string>();
    await server.serve(
      'history',
      serving(
        {},
        { 'session.revoked.v1': async ({ payload }) => void seen.add((payload as { userId: string }).userId) },
      ),
    );
    const users = Array.from({ length: 500 }, () => newId());
    const published = users.map((userId) =>
      client.broker.publish('session.revoked.v1', { userId, sessionIds: [], reason: 'logout' }),
    );
    client.proxy.cut();
    await Promise.all(published);
    await eventually(() => seen.size === users.length);
  });

  it('notices a half-open connection and reconnects', async () => {
    const { broker, proxy } = await proxied({}, '?heartbeat=1');
    await broker.serve('messages', serving({ 'message.send.v1': echo }));
    proxy.swallow('up', 'down');
    await eventually(() => !broker.status.ready, { timeoutMs: 20_000 });
    proxy.heal();
    await eventually(() => broker.status.ready, { timeoutMs: 20_000 });
    expect(await send(broker, newId(), 'a')).toMatchObject({ duplicate: false });
  });

  it('does not repeat a query whose connection was cut', async () => {
    const [server, client] = [await started(), await proxied()];
    let handled = 0;
    await server.serve('history', serving({ 'history.epoch.v1': async () => ({ epoch: `${++handled}` }) }));
    client.proxy.latency(100);
    const answers = Array.from({ length: 20 }, () =>
      client.broker.request('history.epoch.v1', {}, { deadlineMs: 1500 }),
    );
    await eventually(() => handled === 20, { intervalMs: 2 });
    client.proxy.cut();
    client.proxy.heal();
    await Promise.allSettled(answers);
    expect(handled).toBe(20);
  });

  it('consumes again after its queue was deleted', async () => {
    const server = await started();
    await server.serve('messages', serving({ 'message.send.v1': echo }));
    const channel = await admin.createChannel();
    for (let shard = 0; shard < SHARDS; shard++) await channel.deleteQueue(names.shardQueue('messages', shard));
    await eventually(() => server.status.ready);
    await eventually(() => send(server, newId(), 'a', 1000));
  });

  it('consumes again after its channel failed', async () => {
    const connection = new AmqpConnection(url, 'test', logger);
    connection.open();
    const received: [string, boolean][] = [];
    const consumer = new QueueConsumer(
      connection,
      {
        queue: 'probe',
        prefetch: 10,
        declare: async (channel) => void (await channel.assertQueue('probe')),
        onMessage: (message, channel) => {
          received.push([message.content.toString(), message.fields.redelivered]);
          if (message.fields.redelivered) channel.ack(message);
          else channel.channel.ack({ ...message, fields: { ...message.fields, deliveryTag: 4711 } });
        },
      },
      logger,
    );
    await consumer.start(5000);
    (await admin.createChannel()).sendToQueue('probe', Buffer.from('a'));
    await eventually(() =>
      expect(received).toEqual([
        ['a', false],
        ['a', true],
      ]),
    );
    await consumer.stop();
    await connection.close();
  });

  it('declares a deleted exchange again', async () => {
    const server = await started();
    await (await admin.createChannel()).deleteExchange(names.push);
    await server.push(newId(), frame());
    await (await admin.createChannel()).checkExchange(names.push);
  });

  it('gets no more than the prefetch at a time', async () => {
    const server = await started({ prefetch: 10 });
    const gate = new Gate();
    await server.serve(
      'messages',
      serving({ 'message.send.v1': (delivery) => gate.pass().then(() => echo(delivery)) }),
    );
    const conversation = newId();
    const answers = await eachTurn(50, (at) => send(server, conversation, `${at}`));
    await gate.entered;
    const channel = await admin.createChannel();
    await eventually(async () =>
      expect((await channel.checkQueue(names.shardQueue('messages', shardOf(conversation, SHARDS)))).messageCount).toBe(
        40,
      ),
    );
    gate.open();
    await Promise.all(answers);
    // All of them are acknowledged.
    await server.close();
    const { messageCount } = await channel.checkQueue(names.shardQueue('messages', shardOf(conversation, SHARDS)));
    expect(messageCount).toBe(0);
  });

  it('sends the requests of one turn to one shard as one message', async () => {
    const server = await started();
    const client = await started();
    const gate = new Gate();
    const taken: string[] = [];
    const handle = async (deliveries: readonly Delivery[]) => {
      await gate.pass();
      if (deliveries.some((delivery) => clientIdOf(delivery) === 'bad')) throw new Error('cannot be handled');
      for (const delivery of deliveries) {
        taken.push(clientIdOf(delivery));
        delivery.reply({ clientId: clientIdOf(delivery) });
      }
    };
    await server.serve('messages', serving({ 'message.send.v1': { max: 100, concurrency: 2, handle } }));
    const conversation = newId();
    const shard = names.shardQueue('messages', shardOf(conversation, SHARDS));
    const channel = await admin.createConfirmChannel();
    const { queue: tap } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(tap, names.commands, shard);
    const answers = ['a', 'b', 'bad', 'c'].map((clientId) => send(client, conversation, clientId));
    await gate.entered;
    gate.open();
    expect(await Promise.allSettled(answers)).toMatchObject([
      { value: { clientId: 'a' } },
      { value: { clientId: 'b' } },
      { reason: { code: 'internal' } },
      { value: { clientId: 'c' } },
    ]);
    expect(taken).toEqual(['a', 'b', 'c']);
    expect(await channel.checkQueue(tap)).toMatchObject({ messageCount: 1 });
    await eventually(async () =>
      expect(await listDeadLetters(url)).toMatchObject([
        { queue: shard, name: 'message.send.v1', reason: 'failed', detail: 'cannot be handled' },
      ]),
    );
    await server.close();
    expect(await channel.checkQueue(shard)).toMatchObject({ messageCount: 0 });
    const dead = await channel.get(names.dead);
    expect(dead && JSON.parse(dead.content.toString())).toMatchObject({ input: { clientId: 'bad' } });
  });

  it('redelivers a message of several requests when its process ends before all are settled', async () => {
    const { broker: dying, proxy } = await proxied();
    const client = await started();
    const first = new Gate();
    const stopped = await dying.serve(
      'messages',
      serving({
        'message.send.v1': (delivery) =>
          clientIdOf(delivery) === 'b' ? first.pass().then(() => echo(delivery)) : echo(delivery),
      }),
    );
    const conversation = newId();
    const answers = ['a', 'b', 'c'].map((clientId) => send(client, conversation, clientId, 20_000));
    await first.entered;
    const server = await started();
    const { seen } = await witness(server);
    proxy.cut();
    await stopped.stop(0);
    expect(await Promise.all(answers)).toMatchObject([
      { message: { clientId: 'a' } },
      { clientId: 'b' },
      { clientId: 'c' },
    ]);
    expect(seen).toEqual(new Map([[conversation, ['a', 'b', 'c']]]));
    first.open();
  });

  it('makes a message that is not JSON a dead letter', async () => {
    const server = await started();
    await server.serve('messages', serving({ 'message.send.v1': echo }));
    const channel = await admin.createConfirmChannel();
    channel.sendToQueue('messages.commands.0', Buffer.from('{"half'), { type: 'message.send.v1' });
    await eventually(async () =>
      expect(await listDeadLetters(url)).toMatchObject([{ queue: 'messages.commands.0', reason: 'not-json' }]),
    );
  });

  it('makes a delivery that crashes its process again and again a dead letter', async () => {
    const { broker, proxy } = await proxied();
    const crashing = await broker.serve('messages', serving({ 'message.send.v1': async () => (proxy.cut(), {}) }));
    // By another connection: a cut before the confirm would repeat the publication, and make two dead letters.
    await send(await started(), conversationOf(0), 'a');
    await eventually(
      async () =>
        expect(await listDeadLetters(url)).toMatchObject([
          { queue: 'messages.commands.0', name: 'message.send.v1', reason: 'delivery_limit' },
        ]),
      { timeoutMs: 30_000 },
    );
    await crashing.stop(0);
    expect(await redrive(url, { queue: 'another' })).toEqual({ redriven: 0, stuck: 0 });
    expect(await redrive(url, { queue: 'messages.commands.0', limit: 5 })).toEqual({ redriven: 1, stuck: 0 });
    expect(await listDeadLetters(url)).toEqual([]);
  });

  it('keeps dead letters whose queue is gone', async () => {
    const server = await started();
    const failing = await server.serve(
      'messages',
      serving({ 'message.send.v1': () => Promise.reject(new TypeError('a defect')) }),
    );
    await send(server, conversationOf(0), 'a').catch(() => undefined);
    await eventually(async () => expect(await listDeadLetters(url)).toHaveLength(1));
    await failing.stop();
    await (await admin.createChannel()).deleteQueue('messages.commands.0');
    expect(await redrive(url)).toEqual({ redriven: 0, stuck: 1 });
    expect(await listDeadLetters(url)).toMatchObject([
      { queue: 'messages.commands.0', reason: 'failed', detail: 'a defect' },
    ]);
  });

  it('hands the shards of a dead replica to another one without waiting for a balance', async () => {
    const [first, second, client] = [
      await proxied({ balanceEveryMs: 60_000 }),
      await started({ balanceEveryMs: 60_000 }),
      await started(),
    ];
    // The first may be cut off after its answer to `a` and before the acknowledgement; then the second gets `a` again.
    const handledBy = new Map<string, string[]>();
    for (const [name, broker] of [
      ['first', first.broker],
      ['second', second],
    ] as const) {
      await broker.serve(
        'messages',
        serving({
          'message.send.v1': async (delivery) => (
            handledBy.set(clientIdOf(delivery), [...(handledBy.get(clientIdOf(delivery)) ?? []), name]),
            echo(delivery)
          ),
        }),
      );
    }
    await send(client, conversationOf(0), 'a');
    expect(handledBy.get('a')).toEqual(['first']);
    first.proxy.refuse();
    await send(client, conversationOf(0), 'b');
    expect(handledBy.get('b')).toEqual(['second']);
  });

  it('shares the shards evenly when a replica joins', async () => {
    const [first, second, client] = [await started(), await started(), await started()];
    const handledBy = new Map<string, Set<string>>([
      ['first', new Set()],
      ['second', new Set()],
    ]);
    const seen: string[] = [];
    const conversations = Array.from({ length: SHARDS }, (_, shard) => conversationOf(shard));
    const serve = (name: string, broker: Broker) =>
      broker.serve(
        'messages',
        serving({
          'message.send.v1': async (delivery) => {
            const { conversationId } = (delivery.payload as { input: { conversationId: string } }).input;
            handledBy.get(name)!.add(conversationId);
            if (conversationId === conversations[0]) seen.push(clientIdOf(delivery));
            return echo(delivery);
          },
        }),
      );
    await serve('first', first);
    await serve('second', second);
    const sent: string[] = [];
    await eventually(
      async () => {
        for (const names of handledBy.values()) names.clear();
        const round = conversations.map((conversation, at) => {
          if (at === 0) sent.push(`${sent.length}`);
          return send(client, conversation, at === 0 ? sent.at(-1)! : 'x');
        });
        await Promise.all(round);
        expect([...handledBy.values()].map((names) => names.size)).toEqual([2, 2]);
      },
      { timeoutMs: 15_000, intervalMs: 1 },
    );
    expect(seen).toEqual(sent);
  });

  it('reports a gap to a listener when its queue overflowed, or its connection was cut', async () => {
    const { broker: gateway, proxy } = await proxied();
    const client = await started({ outbox: { messages: 50_000, bytes: 1e9 } });
    const events: string[] = [];
    await gateway.listen({
      events: ['session.revoked.v1'],
      onPush: () => void events.push('frame'),
      onEvent: () => void events.push('event'),
      onGap: () => void events.push('gap'),
    });
    await client.push(gateway.instance, frame());
    await eventually(() => expect(events).toEqual(['frame']));
    proxy.cut();
    await client.push(gateway.instance, frame());
    await eventually(() => expect(events.toSorted()).toEqual(['frame', 'frame', 'gap']));

    events.length = 0;
    proxy.latency(3000);
    // As many at a time as even a busy machine confirms in time.
    for (let sent = 0; sent < 30_000; sent += 1_000)
      await Promise.all(await eachTurn(1_000, () => client.push(gateway.instance, frame())));
    proxy.heal();
    await eventually(() => expect(events).toContain('gap'), { timeoutMs: 20_000 });
  });

  it('reports in one line why it cannot start', async () => {
    const nowhere = createRabbitBroker({
      url: 'amqp://guest:secret@127.0.0.1:1',
      service: 'test',
      logger,
      connectTimeoutMs: 500,
    });
    await expect(nowhere.start()).rejects.toThrow(/^RabbitMQ at 127\.0\.0\.1:1 cannot be used: .*ECONNREFUSED/);
    const wrong = createRabbitBroker({
      url: rabbit.url.replace('guest:guest', 'guest:secret'),
      service: 'test',
      logger,
      connectTimeoutMs: 1500,
    });
    const failure = await wrong.start().then(
      () => 'none',
      (error: Error) => error.message,
    );
    expect(failure).toContain('ACCESS');
    expect(failure).not.toContain('secret');
  });
});

describe('RabbitMQ, with arbitrary messages', () => {
  afterEach(async () => void (await Promise.all(brokers.splice(0).map((broker) => broker.close(100)))));

  /**
   * Values that any client may put into a header. Some are left out because RabbitMQ itself fails on them: NaN, and an
   * `x-death` that it did not write.
   */
  const header: fc.Arbitrary<unknown> = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(fc.integer()),
    fc.dictionary(fc.string({ maxLength: 20 }), fc.string()),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => ({ '!': 'double', value })),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value) => ({ '!': 'int64', value })),
    fc.nat().map((value) => ({ '!': 'timestamp', value })),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  );
  const headerName = fc.constantFrom(
    'correlation-id',
    'traceparent',
    'budget',
    'attempts',
    'stream',
    'number',
    'bundle',
    'reason',
    'queue',
    'x-first-death-queue',
    '__proto__',
  );
  const type = fc.oneof(
    fc.constantFrom(...Object.keys(requests), ...Object.keys(domainEvents), 'frames', 'answers'),
    fc.string({ unit: 'binary', maxLength: 60 }).filter((one) => one !== PROBE),
  );
  const message = fc.record(
    {
      at: fc.nat(),
      content: fc.oneof(
        fc.uint8Array().map((bytes) => Buffer.from(bytes)),
        fc.json().map((text) => Buffer.from(text)),
      ),
      type,
      replyTo: fc.string({ unit: 'binary', maxLength: 60 }),
      correlationId: fc.oneof(
        fc.nat(50).map((id) => id.toString(36)),
        fc.string({ unit: 'binary', maxLength: 60 }),
      ),
      headers: fc.oneof(
        fc.dictionary(fc.oneof(headerName, fc.string({ maxLength: 40 })), header, { maxKeys: 4 }),
        fc.record({ budget: header, attempts: header, stream: header, number: header }, { requiredKeys: [] }),
        fc.constant({ long: 'x'.repeat(65_400) }),
      ),
    },
    { requiredKeys: ['at', 'content', 'headers'] },
  );

  it('makes every message that cannot be handled a dead letter with a reason', async () => {
    url = await newHost();
    const server = await started();
    const client = await started();
    await server.serve(
      'messages',
      serving({ 'message.send.v1': echo, 'webhook.delete.v1': echo }, { 'user.updated.v1': async () => {} }),
    );
    await server.serve('history', serving({ 'history.epoch.v1': async () => ({ epoch: 'e' }) }));
    const pushed: string[] = [];
    await client.listen({
      events: ['block.changed.v1'],
      onPush: (one) => void pushed.push((one as { id: string }).id),
      onEvent: () => undefined,
      onGap: () => undefined,
    });
    const admin = await connect(url);
    admin.on('error', () => undefined);
    const channel = await admin.createConfirmChannel();
    const shards = Array.from({ length: SHARDS }, (_, shard) => `messages.commands.${shard}`);
    const kept = [...shards, 'messages.commands', 'messages.events', 'messages.events.retry.50'];
    const queues = [
      ...kept,
      'history.queries',
      'messages.replicas',
      names.replyQueue('test', client.instance),
      `push.${client.instance}`,
    ];
    await fc.assert(
      fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 40 }), async (messages) => {
        await channel.purgeQueue(names.dead);
        for (const { at, content, ...properties } of messages)
          channel.sendToQueue(queues[at % queues.length]!, content, properties);
        await channel.waitForConfirms();
        const deadCount = messages.filter(({ at }) => at % queues.length < kept.length).length;
        const found = async () => (await listDeadLetters(url)).map(({ reason }) => reason);
        await eventually(async () => expect((await found()).length).toBe(deadCount));
        for (const reason of await found()) expect(['not-json', 'unknown-type', 'invalid']).toContain(reason);
        const id = newId();
        const neighbours = [
          ...shards.map((_, shard) => send(client, conversationOf(shard), 'a', 2000)),
          client.request('history.epoch.v1', {}, { deadlineMs: 2000 }),
          server.push(client.instance, frame(id)),
        ];
        await Promise.all(neighbours);
        await eventually(() => expect(pushed).toContain(id));
        expect([server.status, client.status]).toEqual([{ ready: true }, { ready: true }]);
        expect(await redrive(url)).toEqual({ redriven: deadCount, stuck: 0 });
        await eventually(async () => expect((await found()).length).toBe(deadCount));
      }),
      {
        ...rounds(8),
        examples: [
          [
            [
              { at: 0, content: Buffer.from('{}'), headers: { budget: { '!': 'double', value: -1e300 } } },
              { at: 1, content: Buffer.from('{}'), headers: { long: 'x'.repeat(65_400) } },
            ],
          ],
        ],
      },
    );
    await admin.close();
  });

  it('ignores messages in its reply queue that are not answers', async () => {
    url = await newHost();
    const server = await started();
    const client = await started();
    const gate = new Gate();
    await server.serve('history', serving({ 'history.epoch.v1': async () => (await gate.pass(), { epoch: 'e' }) }));
    const admin = await connect(url);
    admin.on('error', () => undefined);
    const channel = await admin.createConfirmChannel();
    const { queue: tap } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(tap, names.commands, 'history.queries');
    const answer = client.request('history.epoch.v1', {}, { deadlineMs: 5000 });
    await gate.entered;
    const copy = await eventually(() => channel.get(tap));
    const correlationId = copy.properties.correlationId as string;
    const answers = ['null', '5', '"ok"', '[]', '{}', '{"error":5}', '{"error":{"code":"odd","message":""}}'];
    const forged = [
      ...answers.map((answer) => `[["${correlationId}",${answer}]]`),
      ...answers,
      ...answers.map((answer) => `[${answer}]`),
      `[["${correlationId}"]]`,
      '{',
      '',
    ];
    for (const body of forged) channel.sendToQueue(names.replyQueue('test', client.instance), Buffer.from(body));
    await channel.waitForConfirms();
    gate.open();
    expect(await answer).toEqual({ epoch: 'e' });
    await admin.close();
  });
});

describe('a message that RabbitMQ refuses', () => {
  /** A publisher of its own, and the number of channels that it has had. */
  async function open() {
    const publisher = new Publisher({ messages: 100, bytes: 64 * 1024 * 1024 }, 8_000, logger);
    let channels = 0;
    const connection = new AmqpConnection(await newHost(), 'refused', logger, (model) => {
      channels++;
      return publisher.use(model);
    });
    connection.open();
    await connection.connected(10_000);
    const close = () => {
      publisher.close();
      return connection.close();
    };
    return { publisher, channels: () => channels, close };
  }
  const content = Buffer.from('{}');

  it('is not published again, so that the next channel stays open', async () => {
    const { publisher, channels, close } = await open();
    await expect(publisher.publish(names.dead, '', content, { expiration: 'no number' })).rejects.toThrow('refused');
    await publisher.publish(names.dead, '', content, {});
    expect(channels()).toBe(2);
    await close();
  });

  it('because of its size fails alone, and later ones of that size fail without ending the channel', async () => {
    const { publisher, channels, close } = await open();
    const tooLarge = Buffer.alloc(MAX_MESSAGE_BYTES + 1, ' ');
    const publish = (message: Buffer) => codeOf(publisher.publish(names.dead, '', message, {}));
    expect(await Promise.all([content, tooLarge, content].map(publish))).toEqual(['answered', 'too_large', 'answered']);
    expect(channels()).toBe(2);
    expect(await Promise.all([content, tooLarge, content].map(publish))).toEqual(['answered', 'too_large', 'answered']);
    expect(channels()).toBe(2);
    await close();
  });
});

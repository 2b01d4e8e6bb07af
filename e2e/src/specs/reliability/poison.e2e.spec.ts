import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { domainEvents, names, newId, requests } from '@parley/contracts';
import { ChatClient, eventually, rounds, seeded, startCluster, type Addresses, type Cluster } from '@parley/testing';
import { connect, type ChannelModel, type ConfirmChannel, type Options } from 'amqplib';
import { Draw, peace } from '../security/hostile.js';

/** The retry queue with the longest delay. */
const slow = /\.retry\.\d{4,}$/;
const { seed, numRuns: letters } = rounds(600);

describe(`a cluster with arbitrary messages in its queues (SEED=${seed})`, () => {
  let cluster: Cluster;
  let connection: ChannelModel;
  let channel: ConfirmChannel;
  let queues: string[];

  beforeAll(async () => {
    const servers = inject('servers');
    let owner!: Addresses;
    cluster = await startCluster({
      servers,
      accounts: async (one) => ({ gateway: (owner = one), auth: one, messages: one, history: one, presence: one }),
    });
    connection = await connect(owner.amqpUrl);
    connection.on('error', () => undefined);
    channel = await connection.createConfirmChannel();
    const { origin, username, password, pathname } = Object.assign(new URL(servers.managementUrl!), {
      pathname: `/api/queues${new URL(owner.amqpUrl).pathname}`,
    });
    const list = await fetch(origin + pathname, {
      headers: {
        authorization: `Basic ${Buffer.from(`${username || 'guest'}:${password || 'guest'}`).toString('base64')}`,
      },
    });
    queues = ((await list.json()) as { name: string }[])
      .map(({ name }) => name)
      .filter((name) => name !== names.dead && !slow.test(name));
  });
  afterAll(async () => {
    await connection.close();
    await cluster.stop();
  });

  /** Nearly valid requests and events of a harmless user, arbitrary JSON, and arbitrary bytes. */
  const letterOf = (
    draw: Draw,
    known: Readonly<Record<string, string>>,
  ): { content: Buffer; options: Options.Publish } => {
    const caller = { requestId: newId(), userId: known['userId'], sessionId: newId(), kind: 'person' };
    const right = draw.one<() => unknown>([
      () => ({
        caller,
        input: { conversationId: known['conversationId'], clientId: newId(), type: 'text', body: 'hello' },
      }),
      () => ({ caller, input: { messageId: known['conversationId'], body: 'x', emoji: '👍' } }),
      () => ({ caller, input: {} }),
      () => ({
        kind: 'users',
        users: [known['userId']],
        event: draw.one(['message:new', 'member:changed', 'disconnect', '']),
        payload: draw.one([null, {}, 5]),
      }),
      () => ({ userId: known['userId'], sessionIds: [newId()], reason: 'ended' }),
      () => ({ gatewayId: 'x', connectionId: newId(), userId: known['userId'], at: 0 }),
      () => ({ message: { id: newId(), conversationId: known['conversationId'], seq: 1, rev: 1 } }),
      () => ({ ok: null }),
      () => ({ error: {} }),
    ])();
    const json = Buffer.from(JSON.stringify(draw.chance(0.3) ? right : draw.twist(right)) ?? '');
    const header = (): unknown =>
      draw.one([
        null,
        true,
        5,
        -1.5,
        1e300,
        'x',
        '',
        [1, ['x']],
        { a: {} },
        Buffer.from([0, 255]),
        { '!': 'timestamp', value: 1 },
      ]);
    const headers = Object.fromEntries(
      ['correlation-id', 'traceparent', 'budget', 'bundle', 'attempts', 'number', 'reason', 'queue', '__proto__']
        .filter(() => draw.chance(0.2))
        .map((name) => [name, header()]),
    );
    return {
      content: draw.one([
        () => json,
        () => json,
        () => draw.mutate(json),
        () => draw.bytes(200),
        () => Buffer.alloc(0),
      ])(),
      options: {
        headers: draw.chance(0.05) ? { long: 'x'.repeat(65_400) } : headers,
        type: draw.one([
          ...Object.keys(requests),
          ...Object.keys(domainEvents),
          'frame',
          'answer',
          '',
          '__proto__',
          '\ud83d',
        ]),
        ...(draw.chance(0.3) && {
          replyTo: draw.one([...queues, 'nobody']),
          correlationId: draw.below(100).toString(36),
        }),
        ...(draw.chance(0.5) && { persistent: true }),
      },
    };
  };

  /** The reasons of all dead letters. */
  const reasons = async (): Promise<unknown[]> => {
    const reader = await connection.createChannel();
    const found: unknown[] = [];
    for (let letter = await reader.get(names.dead); letter; letter = await reader.get(names.dead))
      found.push(letter.properties.headers?.['reason'] ?? letter.properties.headers?.['x-first-death-reason']);
    await reader.close();
    return found;
  };

  it('dead-letters every message that cannot be handled, with a reason, while all processes keep running and users chat', async () => {
    const people = await Promise.all(cluster.urls.map((url) => ChatClient.guest(url)));
    await Promise.all(people.map((one) => one.connect()));
    const [one, other] = people as [ChatClient, ChatClient];
    const { conversation } = await one.call('conversation.create', {
      kind: 'group',
      title: 'undisturbed',
      memberIds: [other.user.id],
    });
    const harmless = await ChatClient.guest(cluster.url);
    const ground = await harmless.http('conversation.create', { kind: 'group', title: 'ground' });
    const end = peace(people, conversation.id);
    const draw = new Draw(seeded(seed));
    for (let n = 0; n < letters; n++) {
      const { content, options } = letterOf(draw, { userId: harmless.user.id, conversationId: ground.conversation.id });
      if (draw.chance(0.7)) channel.sendToQueue(queues[n % queues.length]!, content, options);
      else if (draw.chance(0.4)) channel.publish(names.events, draw.one(Object.keys(domainEvents)), content, options);
      else if (draw.chance(0.5)) channel.publish(names.push, 'all', content, options);
      else channel.publish(names.commands, draw.one(queues), content, options);
      if (n % 50 === 0) await channel.waitForConfirms();
    }
    await channel.waitForConfirms();
    await eventually(
      async () => {
        const left = await Promise.all(
          queues.map(async (queue) => [queue, (await channel.checkQueue(queue)).messageCount]),
        );
        expect(left.filter(([, count]) => count !== 0)).toEqual([]);
      },
      { timeoutMs: 60_000 },
    );
    await end();
    expect(cluster.processes.map(({ name, child }) => [name, child.exitCode])).toEqual(
      cluster.processes.map(({ name }) => [name, null]),
    );
    for (const { url } of cluster.processes) expect((await fetch(`${url}/health/ready`)).status).toBe(200);
    const found = await reasons();
    expect(found.length).toBeGreaterThan(letters / 10);
    const known = new Set(['not-json', 'unknown-type', 'invalid', 'failed', 'retries', 'delivery_limit']);
    expect(found.filter((reason) => !known.has(reason as string))).toEqual([]);
    for (const person of people) person.disconnect();
  });
});

/** A cluster under least-privilege accounts: each service works, and is refused everything that belongs to another. */
import { randomBytes } from 'node:crypto';
import { domainEvents, names, type DomainEventName } from '@parley/contracts';
import { accountName, rabbitDefinitions, rabbitRights, type Account } from '@parley/broker';
import { redisRights, redisUsers } from '@parley/realtime';
import {
  ChatClient,
  eventually,
  startCluster,
  startRabbit,
  startRedis,
  type Addresses,
  type Cluster,
  type PrivateServer,
} from '@parley/testing';
import { connect, type ChannelModel, type ConfirmChannel } from 'amqplib';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { demo } from '../../programs/demo/demo.js';

const parts = Object.keys(rabbitRights) as Account[];
const secret = () => randomBytes(12).toString('hex');
const passwords = Object.fromEntries(parts.map((part) => [part, secret()])) as Record<Account, string>;

let rabbit: PrivateServer;
let redis: PrivateServer;
let cluster: Cluster;

const as = (part: Account, url: string): string => {
  const own = new URL(url);
  own.username = accountName(part);
  own.password = passwords[part];
  return own.href;
};

/** Creates the accounts as an operator does: definitions for RabbitMQ, lines of an ACL file for Redis. */
async function makeAccounts(owner: Addresses): Promise<Record<Account, Addresses>> {
  const vhost = new URL(owner.amqpUrl).pathname.slice(1);
  const management = new URL(rabbit.managementUrl!);
  const answer = await fetch(`${management.origin}/api/definitions`, {
    method: 'POST',
    body: JSON.stringify(rabbitDefinitions({ vhost, passwords })),
    headers: {
      'content-type': 'application/json',
      authorization: `Basic ${Buffer.from(`${management.username}:${management.password}`).toString('base64')}`,
    },
  });
  expect(answer.status, await answer.text()).toBe(204);
  const admin = new Redis(owner.redisUrl);
  // The default account belongs to this test.
  for (const line of redisUsers({ passwords }).filter((user) => !user.startsWith('user default')))
    await admin.call('ACL', 'SETUSER', ...line.split(' ').slice(1));
  admin.disconnect();
  return Object.fromEntries(
    parts.map((part) => [part, { amqpUrl: as(part, owner.amqpUrl), redisUrl: as(part, owner.redisUrl) }]),
  ) as Record<Account, Addresses>;
}

beforeAll(async () => {
  [rabbit, redis] = await Promise.all([startRabbit(), startRedis()]);
  const servers = {
    amqpUrl: rabbit.url,
    managementUrl: rabbit.managementUrl,
    databaseUrl: inject('servers').databaseUrl,
    redisUrl: redis.url,
  };
  cluster = await startCluster({ servers, accounts: makeAccounts });
});
afterAll(async () => {
  await cluster?.stop();
  await Promise.all([rabbit?.stop(), redis?.stop()]);
});

describe('the services under their own accounts', () => {
  it('keep every promise of the demo', async () => {
    await demo(cluster.urls, () => undefined);
  });

  it('reach each other in every way that they need', async () => {
    const [ann, ben] = await Promise.all(cluster.urls.map((url) => ChatClient.register(url)));
    await Promise.all([ann!.connect(), ben!.connect()]);
    const { conversation } = await ann!.call('conversation.create', {
      kind: 'group',
      title: 'tea',
      memberIds: [ben!.user.id],
    });
    const { message } = await ann!.call('message.send', {
      conversationId: conversation.id,
      clientId: 'c',
      body: `@${ben!.user.username} tea?`,
    });
    expect(message.mentions).toEqual([ben!.user.id]);
    await eventually(async () => expect((await ben!.http('message.search', { q: 'tea' })).items).toHaveLength(1));
    await eventually(async () =>
      expect(await ann!.http('message.trace', { messageId: message.id })).toMatchObject({
        committed: expect.any(String),
        pushed: [{}, {}],
      }),
    );
    expect((await ben!.call('presence.watch', { userIds: [ann!.user.id] })).presence).toMatchObject([
      { state: 'online' },
    ]);
    await ann!.call('typing', { conversationId: conversation.id, active: true });
    await ben!.waitFor('typing');

    const form = new FormData();
    form.append(
      'file',
      new Blob([
        Buffer.from(
          'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
          'base64',
        ),
      ]),
      'a.png',
    );
    const sent = await fetch(`${ann!.url}/api/v1/attachments`, {
      method: 'POST',
      body: form,
      headers: { authorization: `Bearer ${ann!.session.accessToken}` },
    });
    const picture = (await sent.json()) as { id: string };
    expect((await ann!.http('user.update', { avatarId: picture.id })).user.avatarId).toBe(picture.id);

    await ann!.http('block.add', { userId: ben!.user.id });
    await ben!.waitFor('presence:changed', ({ userId, state }) => userId === ann!.user.id && state === 'offline');

    const bannedUntil = new Date(Date.now() + 1_000).toISOString();
    await ann!.http('member.update', {
      conversationId: conversation.id,
      userId: ben!.user.id,
      status: 'banned',
      bannedUntil,
    });
    await eventually(async () =>
      expect((await ben!.http('conversation.get', { conversationId: conversation.id })).conversation.id).toBe(
        conversation.id,
      ),
    );

    await ben!.http('auth.logout', {});
    await ben!.waitFor('session:revoked');
  });

  it('log no refused access', async () => {
    const logs = cluster.processes.map(({ output }) => output).join('');
    expect(logs).not.toMatch(/ACCESS.REFUSED|NOPERM|NOAUTH|WRONGPASS/i);
  });
});

/** A virtual host without running services, where everything can be tried. */
describe('on RabbitMQ an account', () => {
  const vhost = `refusals-${secret()}`;
  const connections = {} as Record<Account, ChannelModel>;
  beforeAll(async () => {
    const empty = new URL(rabbit.url);
    empty.pathname = vhost;
    await makeAccounts({ amqpUrl: empty.href, redisUrl: redis.url });
    for (const part of parts) {
      connections[part] = await connect(as(part, empty.href));
      connections[part].on('error', () => undefined);
    }
  });
  afterAll(() => Promise.all(Object.values(connections).map((connection) => connection.close())));

  /** False if RabbitMQ answers 403. A missing thing (404) counts as allowed. */
  async function may(part: Account, act: (channel: ConfirmChannel) => Promise<unknown>): Promise<boolean> {
    const channel = await connections[part].createConfirmChannel();
    const failed = new Promise<{ code?: number }>((resolve) => channel.once('error', resolve));
    const outcome = await Promise.race([
      act(channel).then(
        () => undefined,
        (error: { code?: number }) => (error.code === undefined ? failed : error),
      ),
      failed,
    ]);
    await channel.close().catch(() => undefined);
    if (outcome !== undefined && outcome.code !== 403 && outcome.code !== 404) throw outcome;
    return outcome?.code !== 403;
  }
  const whatMay = async <T extends string>(
    part: Account,
    all: readonly T[],
    act: (channel: ConfirmChannel, one: T) => Promise<unknown>,
  ): Promise<T[]> => {
    const allowed: T[] = [];
    for (const one of all) if (await may(part, (channel) => act(channel, one))) allowed.push(one);
    return allowed;
  };
  const each = async <T>(work: (part: Account) => Promise<T>) =>
    Object.fromEntries(await Promise.all(parts.map(async (part) => [part, await work(part)] as const)));
  const publish = (channel: ConfirmChannel, exchange: string, key: string) =>
    new Promise<void>((resolve, reject) =>
      channel.publish(exchange, key, Buffer.from('null'), {}, (error: unknown) =>
        error ? reject(error as Error) : resolve(),
      ),
    );

  const own: Record<Account, string[]> = {
    gateway: ['replies.gateway.x', 'push.x'],
    auth: ['auth.queries', 'replies.auth.x'],
    messages: [
      'messages.commands.3',
      'messages.queries',
      'messages.events',
      'messages.events.retry.1000',
      'messages.replicas',
      'replies.messages.x',
    ],
    history: ['history.queries', 'history.events', 'history.events.retry.1000', 'replies.history.x'],
    presence: ['presence.queries', 'presence.events', 'presence.events.retry.1000', 'replies.presence.x'],
  };
  const queues = [...Object.values(own).flat(), names.dead, 'messages', 'xmessages.queries', 'replies.x'];
  const exchanges = [names.commands, names.events, names.push, names.replies, names.dead];

  it('reads only its own queues', async () => {
    expect(await each((part) => whatMay(part, queues, (channel, queue) => channel.get(queue)))).toEqual(own);
  });

  it('declares and deletes only its own queues', async () => {
    expect(await each((part) => whatMay(part, queues, (channel, queue) => channel.deleteQueue(queue)))).toEqual(own);
    expect(
      await each((part) =>
        whatMay(part, [...exchanges, 'mine'], (channel, name) => channel.assertExchange(name, 'topic')),
      ),
    ).toEqual(await each(async () => []));
    expect(await each((part) => whatMay(part, exchanges, (channel, name) => channel.deleteExchange(name)))).toEqual(
      await each(async () => []),
    );
  });

  it('sends commands only to the services that it calls', async () => {
    const served = [
      ...queues.filter((queue) => /^(auth|messages|history|presence)\.(queries|commands)/.test(queue)),
      'messages.commands',
      'auth.commands',
    ];
    const accepted = await each((part) =>
      whatMay(
        part,
        served.filter((queue) => !queue.startsWith(`${part}.`)),
        (channel, key) => publish(channel, names.commands, key),
      ),
    );
    expect(accepted).toEqual({
      gateway: served,
      auth: ['messages.queries'],
      messages: ['auth.queries'],
      history: ['auth.queries'],
      presence: ['history.queries'],
    });
    expect(await each((part) => whatMay(part, queues, (channel, key) => publish(channel, '', key)))).toEqual(
      await each(async () => []),
    );
  });

  const events = Object.keys(domainEvents) as DomainEventName[];
  it('publishes only its own events', async () => {
    const said = await each((part) => whatMay(part, events, (channel, key) => publish(channel, names.events, key)));
    expect(said).toEqual({
      gateway: events.filter((name) => name.startsWith('connection')),
      auth: ['session.revoked.v1', 'user.updated.v1'],
      messages: events.filter((name) => /^(conversation|member|message|block|contact)\./.test(name)),
      history: ['receipt.updated.v1'],
      presence: ['presence.changed.v1'],
    });
    // Every event belongs to a service.
    expect(Object.values(said).flat().toSorted()).toEqual(events.toSorted());
  });

  it('binds only to events that it handles', async () => {
    const bind = (source: string) => async (part: Account, keys: readonly string[]) =>
      whatMay(part, keys, async (channel, key) => {
        const { queue } = await channel.assertQueue(`replies.${part}.ear`);
        await channel.bindQueue(queue, source, key);
      });
    expect(await each((part) => bind(names.events)(part, [...events, '#', '*', 'message.*']))).toEqual({
      gateway: ['session.revoked.v1', 'user.updated.v1', 'block.changed.v1', 'contact.removed.v1'],
      auth: [],
      messages: ['conversation.updated.v1', 'member.changed.v1', 'message.created.v1', 'message.updated.v1'],
      history: ['conversation.deleted.v1', 'message.created.v1', 'message.updated.v1'],
      presence: ['connection.opened.v1', 'connection.closed.v1', 'connections.renewed.v1'],
    });
    const answers = parts.map((part) => `replies.${part}.x`);
    expect(await each((part) => bind(names.replies)(part, [...answers, '#', 'replies.#']))).toEqual(
      await each(async (part) => [`replies.${part}.x`]),
    );
    const commands = [...queues, '#', 'auth.#'].filter(
      (key) => !key.startsWith('replies.') && !key.startsWith('push.'),
    );
    expect(await each((part) => bind(names.commands)(part, commands))).toEqual(
      await each(async (part) =>
        part === 'gateway' ? [] : commands.filter((key) => key.startsWith(`${part}.`) || key === `${part}.#`),
      ),
    );
    expect(await each((part) => bind(names.push)(part, ['all', 'x']))).toEqual({
      gateway: ['all', 'x'],
      auth: [],
      messages: [],
      history: [],
      presence: [],
    });
    expect(await each((part) => bind(names.dead)(part, ['']))).toEqual(await each(async () => []));
  });

  it('can use neither another virtual host nor the management API', async () => {
    const root = new URL(rabbit.url);
    root.pathname = '/';
    for (const part of parts) {
      await expect(connect(as(part, root.href)), part).rejects.toThrow('ConnectionClose');
      const headers = {
        authorization: `Basic ${Buffer.from(`${accountName(part)}:${passwords[part]}`).toString('base64')}`,
      };
      expect((await fetch(`${new URL(rabbit.managementUrl!).origin}/api/queues`, { headers })).status).toBe(401);
    }
  });
});

describe('on Redis an account', () => {
  const withRedis = parts.filter((part) => redisRights[part]);
  const connections = {} as Record<Account, Redis>;
  beforeAll(() => {
    for (const part of withRedis) connections[part] = new Redis(as(part, redis.url));
  });
  afterAll(() => Object.values(connections).forEach((connection) => connection.disconnect()));

  const may = async (part: Account, ...[command, ...args]: [string, ...string[]]): Promise<boolean> => {
    const answer = await connections[part].call(command, ...args).then(String, (error: Error) => error.message);
    return !/NOPERM|can't (run|access)/.test(answer);
  };
  const keys = [
    'parley:at:{u}',
    'parley:at:born',
    'parley:limit:login:x',
    'parley:bucket:send:x',
    'parley:presence:{1}:user:u',
    'parley:presence:born',
    'other',
    'parley:',
  ];
  const which = async (part: Account, ...command: [string, ...string[]]) => {
    const allowed: string[] = [];
    for (const key of keys)
      if (await may(part, ...(command.map((word) => (word === 'KEY' ? key : word)) as [string, ...string[]])))
        allowed.push(key);
    return allowed;
  };
  const each = async (work: (part: Account) => Promise<string[]>) =>
    Object.fromEntries(await Promise.all(withRedis.map(async (part) => [part, await work(part)] as const)));

  it('reads and writes only its own keys, in scripts too', async () => {
    const gateway = keys.slice(0, 4);
    const presence = keys.slice(4, 6);
    expect(await each((part) => which(part, 'zrange', 'KEY', '0', '-1'))).toEqual({
      gateway,
      messages: keys.slice(0, 2),
      history: keys.slice(0, 2),
      presence,
    });
    for (const script of ["return redis.call('SET', KEYS[1], 'x')", "return redis.call('GET', KEYS[1])"]) {
      expect(await each((part) => which(part, 'eval', script, '1', 'KEY'))).toEqual({
        gateway,
        messages: ['parley:at:born'],
        history: ['parley:at:born'],
        presence,
      });
    }
    // A key that the script does not declare.
    const hidden = (key: string) => `return redis.call('SET', '${key}', 'x')`;
    expect(await may('messages', 'eval', hidden('parley:at:{u}'), '0')).toBe(false);
    expect(await may('presence', 'eval', hidden('parley:at:{u}'), '0')).toBe(false);
  });

  it.each([
    ['flushall'],
    ['flushdb'],
    ['keys', '*'],
    ['scan', '0'],
    ['config', 'get', '*'],
    ['config', 'set', 'dir', '/tmp'],
    ['acl', 'list'],
    ['acl', 'setuser', 'me'],
    ['client', 'list'],
    ['client', 'kill', 'id', '1'],
    ['monitor'],
    ['publish', 'x', 'y'],
    ['subscribe', 'x'],
    ['script', 'flush'],
    ['module', 'list'],
    ['save'],
    ['replicaof', 'no', 'one'],
    ['slaveof', 'no', 'one'],
    ['migrate', '127.0.0.1', '1', 'k', '0', '1'],
    ['select', '1'],
    ['swapdb', '0', '1'],
    ['shutdown', 'nosave'],
    ['function', 'list'],
    ['slowlog', 'get'],
    ['latency', 'latest'],
    ['dump', 'x'],
    ['restore', 'x', '0', 'y'],
    ['eval', "return redis.call('FLUSHALL')", '0'],
  ] as [string, ...string[]][])('is refused %s %s', async (...command) => {
    for (const part of withRedis) expect(await may(part, ...command), `${part}: ${command.join(' ')}`).toBe(false);
  });

  it('does not exist for auth, which keeps nothing in Redis', async () => {
    const none = new Redis(as('auth', redis.url), {
      retryStrategy: () => null,
      lazyConnect: true,
      maxRetriesPerRequest: 0,
    });
    none.on('error', () => undefined);
    await expect(none.connect().then(() => none.ping())).rejects.toThrow(
      /WRONGPASS|NOAUTH|invalid username|Connection is closed/i,
    );
    none.disconnect();
  });
});

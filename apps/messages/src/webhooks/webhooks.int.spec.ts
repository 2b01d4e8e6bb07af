import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import {
  newId,
  type CallInput,
  type RequestAnswer,
  type RequestName,
  type RequestPayload,
  type User,
  type Webhook,
} from '@parley/contracts';
import { engines, running } from '@parley/store/testing';
import { codeOf, eventually } from '@parley/testing';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { defaultSettings, type WebhookSettings } from '../config.js';
import { Service } from '../spec/service.js';
import { MAX_PARALLEL } from './deliveries.js';

const quick: WebhookSettings = {
  ...defaultSettings.webhooks,
  allowPrivate: true,
  retryMs: 0,
  timeoutMs: 2_000,
  pollMs: 20,
  probeMs: 0,
};

interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly body: {
    id: string;
    event: string;
    createdAt: string;
    data: {
      message?: { id: string; body: string; type: string; rev: number };
      rev?: number;
      conversationId?: string;
      member?: { userId: string };
    };
  };
}

describe.each(engines(inject('servers').databaseUrl, 'messages'))('webhooks on %s', (_, open) => {
  const on = running(open, (database) => Service.start(database, { settings: { webhooks: quick } }));
  let server: Server;
  let origin: string;
  const received: Received[] = [];
  /** The status that a path answers. Default: 200. */
  const statuses = new Map<string, number | (() => number)>();
  beforeAll(async () => {
    server = createServer((request, response) => {
      void text(request).then((content) => {
        const path = request.url!;
        received.push({ path, headers: request.headers, text: content, body: JSON.parse(content) as Received['body'] });
        const status = statuses.get(path) ?? 200;
        response.writeHead(typeof status === 'number' ? status : status()).end('thank you');
      });
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
  });

  type Input<N extends RequestName> = RequestPayload<N> extends { input: infer I } ? I : never;
  const ask = <N extends RequestName>(
    name: N,
    userId: string,
    input: Input<N>,
    kind: User['kind'] = 'person',
    requestId = newId(),
  ): Promise<RequestAnswer<N>> =>
    on.service.broker.request(name, {
      caller: { requestId, userId, sessionId: newId(), kind },
      input,
    } as RequestPayload<N>);
  const create = async (
    userId: string,
    conversationId: string,
    path: string,
    events?: CallInput<'webhook.create'>['events'],
  ): Promise<Webhook> =>
    (await ask('webhook.create.v1', userId, { conversationId, url: `${origin}${path}`, ...(events && { events }) }))
      .webhook;
  const at = (path: string) => received.filter((one) => one.path === path);
  const deliveries = async (userId: string, webhookId: string) =>
    (await ask('webhook.deliveries.v1', userId, { webhookId })).items;
  const path = () => `/${newId()}`;
  const setting = async () => {
    const anna = newId();
    const conversationId = await on.service.group(anna, newId());
    await eventsQueued(anna, conversationId);
    return { anna, conversationId, to: path() };
  };
  /**
   * Resolves once all earlier events were queued, which happens in their order: a webhook created afterwards gets none
   * of them.
   */
  const eventsQueued = async (userId: string, conversationId: string): Promise<void> => {
    const marker = path();
    const { id } = await create(userId, conversationId, marker, ['message.created']);
    const { message } = await on.service.send(userId, { conversationId });
    await eventually(() => at(marker).some(({ body }) => body.data.message?.id === message.id));
    await ask('webhook.delete.v1', userId, { webhookId: id });
  };

  it('are deleted with all others of their creator, or with those made until a time', async () => {
    const { anna, conversationId, to } = await setting();
    const ben = newId();
    const other = await on.service.group(anna, ben);
    await on.service.ask('member.update.v1', anna, { conversationId: other, userId: ben, role: 'admin' });
    const [first, second, bens] = [
      await create(anna, conversationId, to),
      await create(anna, other, to),
      await create(ben, other, to),
    ];
    await on.engine.owner.query(`update chat.webhook set created_at = created_at - interval '1 hour' where id = $1`, [
      first.id,
    ]);
    const before = new Date(Date.now() - 60_000).toISOString();
    const left = async () => {
      const lists = [conversationId, other].map((id) => ask('webhook.list.v1', anna, { conversationId: id }));
      return (await Promise.all(lists)).flatMap(({ items }) => items.map(({ id }) => id)).toSorted();
    };
    for (const _time of [1, 2])
      expect(await on.service.broker.request('webhook.purge.v1', { userId: anna, before })).toEqual({});
    expect(await left()).toEqual([second.id, bens.id].toSorted());
    await on.service.broker.request('webhook.purge.v1', { userId: anna });
    expect(await left()).toEqual([bens.id]);
  });

  it('get events, signed with a secret that is shown once', async () => {
    const { anna, conversationId, to } = await setting();
    const webhook = await create(anna, conversationId, to);
    expect(webhook).toEqual({
      id: webhook.id,
      conversationId,
      url: `${origin}${to}`,
      events: ['message.created', 'message.updated', 'member.changed', 'conversation.updated'],
      createdBy: anna,
      createdAt: webhook.createdAt,
      failures: 0,
      secret: expect.stringMatching(/^[\w-]{43}$/),
    });
    const { message } = await on.service.send(anna, { conversationId, body: 'hello' });
    const [request] = await eventually(() => (expect(at(to)).toHaveLength(1), at(to)));
    const { headers, body, text: content } = request!;
    expect(body).toEqual({
      id: expect.any(String),
      event: 'message.created',
      createdAt: expect.any(String),
      data: { message },
    });
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'parley-event': 'message.created',
      'parley-delivery': body.id,
    });
    expect(headers['parley-signature']).toBe(
      `v1=${createHmac('sha256', webhook.secret!)
        .update(`${headers['parley-timestamp'] as string}.${content}`)
        .digest('hex')}`,
    );
    expect(Math.abs(Number(headers['parley-timestamp']) - Date.now() / 1000)).toBeLessThan(60);
    const [delivery] = await eventually(async () => {
      const all = await deliveries(anna, webhook.id);
      expect(all[0]!.state).toBe('delivered');
      return all;
    });
    expect(delivery).toEqual({
      id: body.id,
      event: 'message.created',
      state: 'delivered',
      attempts: 1,
      createdAt: body.createdAt,
      deliveredAt: expect.any(String),
      status: 200,
    });
    expect((await ask('webhook.list.v1', anna, { conversationId })).items).toEqual(
      [{ ...webhook, secret: undefined }].map(({ secret: _secret, ...rest }) => rest),
    );
  });

  it('get each event of the kinds that they want once', async () => {
    const { anna, conversationId, to } = await setting();
    await create(anna, conversationId, to, ['message.updated', 'member.changed', 'conversation.updated']);
    const { message } = await on.service.send(anna, { conversationId });
    const change = { conversationId, userId: newId(), left: true as const, rev: 7 };
    const conversation = (await on.service.create(anna, { kind: 'group' })).conversation;
    for (let times = 0; times < 3; times++) {
      await on.service.broker.publish('message.updated.v1', { message });
      await on.service.broker.publish('member.changed.v1', change);
      await on.service.broker.publish('conversation.updated.v1', {
        conversation: { ...conversation, id: conversationId },
      });
      await on.service.broker.publish('message.updated.v1', { message: { ...message, rev: message.rev + 1 } });
    }
    await eventsQueued(anna, conversationId);
    await eventually(() => expect(at(to)).toHaveLength(4));
    expect(
      at(to)
        .map(({ body }) => body.event)
        .toSorted(),
    ).toEqual(['conversation.updated', 'member.changed', 'message.updated', 'message.updated']);
    expect(at(to).find(({ body }) => body.event === 'member.changed')!.body.data).toEqual(change);
  });

  it('are retried with the same id until they accept a delivery', async () => {
    const { anna, conversationId, to } = await setting();
    let answers = 0;
    statuses.set(to, () => (++answers < 4 ? 503 : 200));
    const webhook = await create(anna, conversationId, to);
    await on.service.send(anna, { conversationId });
    await eventually(async () =>
      expect(await deliveries(anna, webhook.id)).toMatchObject([{ state: 'delivered', attempts: 4, status: 200 }]),
    );
    expect(new Set(at(to).map(({ body }) => body.id)).size).toBe(1);
    expect((await deliveries(anna, webhook.id))[0]).not.toHaveProperty('problem');
  });

  it('are switched off after five dead deliveries in a row until they are switched on again', async () => {
    const { anna, conversationId, to } = await setting();
    statuses.set(to, 500);
    const webhook = await create(anna, conversationId, to);
    const state = async () => (await ask('webhook.list.v1', anna, { conversationId })).items[0]!;
    for (let dead = 1; dead <= 4; dead++) {
      await on.service.send(anna, { conversationId });
      await eventually(async () => expect(await state()).toMatchObject({ failures: dead }));
    }
    expect(await state()).not.toHaveProperty('disabledAt');
    expect((await deliveries(anna, webhook.id))[0]).toMatchObject({
      state: 'dead',
      attempts: 8,
      status: 500,
      problem: 'answered 500',
    });
    expect(at(to)).toHaveLength(32);
    await on.engine.owner.query(
      `insert into chat.webhook_delivery (id, webhook_id, event, event_key, payload, created_at, next_attempt_at) values ($1, $2, 'message.created', 'later', '{}', now(), now() + interval '1 hour')`,
      [newId(), webhook.id],
    );
    await on.service.send(anna, { conversationId });
    await eventually(async () => expect(await state()).toMatchObject({ failures: 5, disabledAt: expect.any(String) }));
    const all = await deliveries(anna, webhook.id);
    expect(all.map(({ state: one }) => one)).toEqual(Array.from({ length: 6 }, () => 'dead'));
    expect(all.filter(({ problem }) => problem === 'the webhook was switched off')).toHaveLength(1);
    await on.service.send(anna, { conversationId, body: 'unheard' });
    await eventsQueued(anna, conversationId);
    statuses.set(to, 200);
    const { webhook: enabled } = await ask('webhook.update.v1', anna, { webhookId: webhook.id, enabled: true });
    expect(enabled).toEqual({ ...(await state()), failures: 0 });
    await on.service.send(anna, { conversationId, body: 'heard' });
    await eventually(() => expect(at(to).at(-1)!.body.data.message!.body).toBe('heard'));
    expect(at(to).map(({ body }) => body.data.message!.body)).not.toContain('unheard');
  });

  it('reset their failures after a success', async () => {
    const { anna, conversationId, to } = await setting();
    const webhook = await create(anna, conversationId, to);
    await on.engine.owner.query(`update chat.webhook set failures = 4 where id = $1`, [webhook.id]);
    await on.service.send(anna, { conversationId });
    await eventually(async () =>
      expect((await ask('webhook.list.v1', anna, { conversationId })).items).toMatchObject([{ failures: 0 }]),
    );
  });

  it('can be changed, switched off and deleted', async () => {
    const { anna, conversationId, to } = await setting();
    const webhook = await create(anna, conversationId, to);
    const update = async (input: Omit<CallInput<'webhook.update'>, 'webhookId'>) =>
      (await ask('webhook.update.v1', anna, { webhookId: webhook.id, ...input })).webhook;
    const other = path();
    expect(await update({ url: `${origin}${other}`, events: ['message.created'] })).toMatchObject({
      url: `${origin}${other}`,
      events: ['message.created'],
    });
    expect(await update({ enabled: false })).toMatchObject({ disabledAt: expect.any(String) });
    const { message } = await on.service.send(anna, { conversationId, body: 'unheard' });
    await eventually(() => expect(on.service.created().map(({ id }) => id)).toContain(message.id));
    expect(await update({ enabled: true })).not.toHaveProperty('disabledAt');
    await on.service.send(anna, { conversationId, body: 'heard' });
    await eventually(() => expect(at(other)).toHaveLength(1));
    expect([at(to), at(other)[0]!.body.data.message!.body]).toEqual([[], 'heard']);
    await ask('webhook.delete.v1', anna, { webhookId: webhook.id });
    expect((await ask('webhook.list.v1', anna, { conversationId })).items).toEqual([]);
    expect(await codeOf(ask('webhook.delete.v1', anna, { webhookId: webhook.id }))).toBe('not_found');
    await on.service.send(anna, { conversationId });
  });

  it('are managed only by a creator or admin with an account', async () => {
    const [anna, ben] = [newId(), newId()];
    const conversationId = await on.service.group(anna, ben);
    const input = { conversationId, url: `${origin}/` };
    expect(await codeOf(ask('webhook.create.v1', ben, input))).toBe('forbidden');
    expect(await codeOf(ask('webhook.create.v1', newId(), input))).toBe('not_found');
    expect(await codeOf(ask('webhook.create.v1', anna, input, 'guest'))).toBe('forbidden');
    expect(await codeOf(ask('webhook.create.v1', anna, input, 'bot'))).toBe('forbidden');
    const { webhook } = await ask('webhook.create.v1', anna, input);
    for (const name of ['webhook.update.v1', 'webhook.delete.v1', 'webhook.deliveries.v1'] as const) {
      expect(await codeOf(ask(name, ben, { webhookId: webhook.id }))).toBe('forbidden');
      expect(await codeOf(ask(name, newId(), { webhookId: webhook.id }))).toBe('not_found');
      expect(await codeOf(ask(name, anna, { webhookId: webhook.id }, 'bot'))).toBe('forbidden');
      expect(await codeOf(ask(name, anna, { webhookId: newId() }))).toBe('not_found');
    }
    expect(await codeOf(ask('webhook.list.v1', ben, { conversationId }))).toBe('forbidden');
  });

  it.each([
    ['is no admin any more', { call: 'member.update.v1', input: { role: 'member' } }],
    ['is removed', { call: 'member.remove.v1', input: {} }],
    ['is banned', { call: 'member.update.v1', input: { status: 'banned' } }],
  ] as const)('get nothing more when their creator %s', async (_how, { call, input }) => {
    const [anna, ben] = [newId(), newId()];
    const conversationId = await on.service.group(anna, ben);
    await on.service.ask('member.update.v1', anna, { conversationId, userId: ben, role: 'admin' });
    const [to, others] = [path(), path()];
    const webhook = await create(ben, conversationId, to);
    const marker = await create(anna, conversationId, others);
    await on.engine.owner.query(
      `insert into chat.webhook_delivery (id, webhook_id, event, event_key, payload, created_at, next_attempt_at) values ($1, $2, 'message.created', 'later', '{}', now(), now() + interval '1 hour')`,
      [newId(), webhook.id],
    );
    const { message: last } = await on.service.send(anna, { conversationId, body: 'heard' });
    await eventually(() => expect(at(to).map(({ body }) => body.data.message?.body)).toContain('heard'));
    await on.service.ask(call, anna, { conversationId, userId: ben, ...input });
    await on.service.send(anna, { conversationId, body: 'unheard' });
    await eventually(() => expect(at(others).map(({ body }) => body.data.message?.body)).toContain('unheard'));
    const state = async () =>
      (await ask('webhook.list.v1', anna, { conversationId })).items.find(({ id }) => id === webhook.id)!;
    await eventually(async () => expect(await state()).toMatchObject({ disabledAt: expect.any(String) }));
    expect((await deliveries(anna, webhook.id)).filter(({ state: one }) => one !== 'delivered')).toMatchObject([
      { state: 'dead', attempts: 0, problem: 'the webhook was switched off' },
    ]);
    expect(at(to).filter(({ body: { data } }) => (data.message ?? data).rev! > last.rev)).toEqual([]);
    expect(await codeOf(ask('webhook.update.v1', anna, { webhookId: webhook.id, enabled: true }))).toBe('conflict');
    expect(await ask('webhook.update.v1', anna, { webhookId: marker.id, enabled: true })).not.toHaveProperty(
      'webhook.disabledAt',
    );
  });

  it('do not get waiting deliveries once their creator is no longer an admin, even before member.changed arrives', async () => {
    const { anna, conversationId, to } = await setting();
    const webhook = await create(anna, conversationId, to);
    await on.engine.owner.query(`update chat.member set role = 'member' where conversation_id = $1 and user_id = $2`, [
      conversationId,
      anna,
    ]);
    await on.engine.owner.query(
      `insert into chat.webhook_delivery (id, webhook_id, event, event_key, payload, created_at, next_attempt_at) values ($1, $2, 'message.created', 'now', '{}', now(), now())`,
      [newId(), webhook.id],
    );
    await eventually(async () =>
      expect(
        await on.engine.owner.query(
          `select d.state, d.attempts, w.disabled_at is not null as off from chat.webhook_delivery d join chat.webhook w on w.id = d.webhook_id where w.id = $1`,
          [webhook.id],
        ),
      ).toEqual([{ state: 'dead', attempts: 0, off: true }]),
    );
    expect(at(to)).toEqual([]);
  });

  it('are limited to ten in a conversation', async () => {
    const { anna, conversationId } = await setting();
    const requestId = newId();
    const once = () => ask('webhook.create.v1', anna, { conversationId, url: `${origin}/` }, 'person', requestId);
    expect(await once()).toEqual(await once());
    const outcomes = await Promise.all(
      Array.from({ length: 11 }, () => codeOf(ask('webhook.create.v1', anna, { conversationId, url: `${origin}/` }))),
    );
    expect(outcomes.toSorted()).toEqual([...Array.from({ length: 9 }, () => 'answered'), 'too_large', 'too_large']);
  });

  it('get each delivery once from any number of replicas', async () => {
    const replica = await Service.start(await on.engine.replica(), { settings: { webhooks: quick } });
    const { anna, conversationId, to } = await setting();
    await create(anna, conversationId, to);
    await Promise.all(Array.from({ length: 40 }, () => on.service.send(anna, { conversationId })));
    await eventually(() => expect(new Set(at(to).map(({ body }) => body.id)).size).toBe(40));
    await replica.stop();
    expect(at(to)).toHaveLength(40);
  });

  it('list their deliveries newest first, page by page', async () => {
    const { anna, conversationId, to } = await setting();
    const webhook = await create(anna, conversationId, to);
    for (let n = 0; n < 3; n++) await on.service.send(anna, { conversationId });
    const all = await eventually(async () => {
      const items = await deliveries(anna, webhook.id);
      expect(items).toHaveLength(3);
      return items.map(({ id }) => id);
    });
    expect(all).toEqual(all.toSorted().toReversed());
    const first = await ask('webhook.deliveries.v1', anna, { webhookId: webhook.id, limit: 2 });
    const second = await ask('webhook.deliveries.v1', anna, {
      webhookId: webhook.id,
      limit: 2,
      cursor: first.nextCursor!,
    });
    expect([...first.items, ...second.items].map(({ id }) => id)).toEqual(all);
    expect(second).not.toHaveProperty('nextCursor');
    expect(await codeOf(ask('webhook.deliveries.v1', anna, { webhookId: webhook.id, cursor: 'x' }))).toBe('invalid');
  });

  it('of one owner that do not answer hold up neither those of others nor take all attempts', async () => {
    const hanging = new Set<ServerResponse>();
    let ended = 0;
    const hole = createServer((request, response) => {
      hanging.add(response);
      request.resume();
      response.once('close', () => ended++);
    });
    await new Promise<void>((resolve) => void hole.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(hole.address() as AddressInfo).port}/`;
    try {
      const [slow, other] = [await setting(), await setting()];
      for (let n = 0; n < 5; n++)
        await ask('webhook.create.v1', slow.anna, { conversationId: slow.conversationId, url });
      await create(other.anna, other.conversationId, other.to);
      for (let n = 0; n < 5; n++) await on.service.send(slow.anna, { conversationId: slow.conversationId });
      await eventually(() => expect(hanging.size).toBe(MAX_PARALLEL.owner));
      await on.service.send(other.anna, { conversationId: other.conversationId });
      await eventually(() => expect(at(other.to)).toHaveLength(1));
      expect([hanging.size, ended]).toEqual([MAX_PARALLEL.owner, 0]);
    } finally {
      hole.closeAllConnections();
      hole.close();
    }
  });

  it('may only have public addresses, unless the operator allows others', async () => {
    const { anna, conversationId } = await setting();
    const strict = await Service.start(on.engine.database, {
      settings: { webhooks: { ...quick, allowPrivate: false, pollMs: 60_000 } },
    });
    const refused = (url: string) =>
      codeOf(
        strict.broker.request('webhook.create.v1', {
          caller: { requestId: newId(), userId: anna, sessionId: newId(), kind: 'person' },
          input: { conversationId, url },
        }),
      );
    for (const url of [
      'http://example.org/',
      'https://127.0.0.1/',
      'https://localhost/',
      'https://a.localhost/',
      'https://localhost./',
      'https://a.localhost./',
      'https://[::1]/',
      'https://169.254.169.254/latest',
      'https://0x7f.1/',
      'https://me:secret@example.org/',
    ]) {
      expect([url, await refused(url)]).toEqual([url, 'invalid']);
    }
    expect(await refused('https://example.org/hook')).toBe('answered');
    await strict.stop();
  });

  it('lose their deliveries after a week', async () => {
    const { anna, conversationId, to } = await setting();
    const webhook = await create(anna, conversationId, to);
    for (let n = 0; n < 2; n++) await on.service.send(anna, { conversationId });
    const [newest, old] = await eventually(async () => {
      const items = await deliveries(anna, webhook.id);
      expect(items.map(({ state }) => state)).toEqual(['delivered', 'delivered']);
      return items;
    });
    await on.engine.owner.query(
      `update chat.webhook_delivery set created_at = now() - interval '8 days' where id = $1`,
      [old!.id],
    );
    const { Deliveries } = await import('./deliveries.js');
    expect(await new Deliveries(on.engine.database, defaultSettings).sweep()).toBe(1);
    expect(await deliveries(anna, webhook.id)).toEqual([newest]);
  });
});

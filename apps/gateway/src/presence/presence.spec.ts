import { limits, newId, type DomainEvent, type Presence, type RequestPayload } from '@parley/contracts';
import { eventually } from '@parley/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answerTo, TestGateway, heard } from '../spec/test-gateway.js';

const stranger = newId();
const hidden = new Set([stranger]);
const subscriptions: RequestPayload<'presence.watching.v1'>[] = [];
const states = new Map<string, Presence['state']>();
/** Pairs of users with a block between them. */
const blocks = new Set<string>();
const pair = (one: string, other: string): string => [one, other].toSorted().join(' ');
const reports: { name: string; event: unknown }[] = [];
let gateway: TestGateway;
let beforeAnswer: () => Promise<unknown> = () => Promise.resolve();

beforeAll(async () => {
  gateway = await TestGateway.start({ USER_LIMIT_SCALE: '10' }, (starting) =>
    starting.serveBasics({
      'presence.watching.v1': async (payload) => {
        subscriptions.push(payload);
        const presence = payload.add
          .filter((userId) => !hidden.has(userId))
          .map((userId) => ({ userId, state: states.get(userId) ?? 'offline' }));
        const blocked = payload.add.filter((userId) => blocks.has(pair(payload.userId, userId)));
        await beforeAnswer();
        return {
          presence: presence.map((one) => (blocked.includes(one.userId) ? { ...one, state: 'offline' } : one)),
          blocked,
        };
      },
    }),
  );
  const events = ['connection.opened.v1', 'connection.closed.v1', 'connections.renewed.v1'] as const;
  await gateway.broker.listen({
    events,
    onEvent: (name, event) => void reports.push({ name, event }),
    onPush: () => undefined,
    onGap: () => undefined,
  });
});
afterAll(() => gateway.stop());

const frame = (userId: string, state: Presence['state']) => ({
  kind: 'watchers' as const,
  userId,
  event: 'presence:changed',
  payload: { userId, state },
});
const watch = (socket: Parameters<typeof answerTo>[0], ...userIds: string[]) =>
  answerTo(socket, 'presence:watch', { userIds });

describe('presence:watch', () => {
  it('forwards changes of visible users to their watchers only', async () => {
    const [ann, eve] = [await gateway.connect(), await gateway.connect()];
    const bob = newId();
    expect(await watch(ann.socket, bob, stranger)).toMatchObject({
      ok: true,
      data: { presence: [{ userId: bob, state: 'offline' }] },
    });
    const [annHears, eveHears] = [heard(ann.socket, 'presence:changed'), heard(eve.socket, 'presence:changed')];
    await gateway.push(frame(stranger, 'online'));
    await gateway.push(frame(bob, 'online'));
    await eventually(() => expect(annHears).toEqual([{ userId: bob, state: 'online' }]));
    expect(eveHears).toEqual([]);
  });

  it('returns a change that arrived during the request', async () => {
    const ann = await gateway.connect();
    const bob = newId();
    beforeAnswer = () => gateway.push(frame(bob, 'busy')).then(() => new Promise((resolve) => setImmediate(resolve)));
    const answer = await watch(ann.socket, bob).finally(() => (beforeAnswer = () => Promise.resolve()));
    expect(answer).toMatchObject({ data: { presence: [{ userId: bob, state: 'busy' }] } });
  });

  it('accepts 200 users per connection and no more', async () => {
    const ann = await gateway.connect();
    const many = Array.from({ length: limits.presenceWatches }, () => newId());
    expect(await watch(ann.socket, ...many)).toMatchObject({ ok: true });
    expect(await watch(ann.socket, newId())).toMatchObject({ error: { code: 'too_large' } });
    expect(await watch(ann.socket, many[0]!)).toMatchObject({ ok: true });
    await answerTo(ann.socket, 'presence:unwatch', { userIds: [many[0]] });
    expect(await watch(ann.socket, newId())).toMatchObject({ ok: true });
  });

  it('unsubscribes at presence when the last connection stops watching', async () => {
    const [ann, eve] = [await gateway.connect(), await gateway.connect()];
    const bob = newId();
    await watch(ann.socket, bob);
    await watch(eve.socket, bob);
    const removals = () => subscriptions.filter(({ remove }) => remove.includes(bob)).length;
    await answerTo(ann.socket, 'presence:unwatch', { userIds: [bob] });
    expect(removals()).toBe(0);
    eve.socket.disconnect();
    await eventually(() => expect(removals()).toBe(1));
  });

  it('repeats its subscriptions and announces missed changes', async () => {
    const ann = await gateway.connect();
    const bob = newId();
    await watch(ann.socket, bob);
    const changes = heard(ann.socket, 'presence:changed');
    states.set(bob, 'away');
    await eventually(() => expect(changes).toEqual([{ userId: bob, state: 'away' }]), { timeoutMs: 12_000 });
  });

  it.each<[string, (bob: string) => { event: string; payload: object }]>([
    [
      'leaves',
      (bob) => ({ event: 'member:changed', payload: { conversationId: newId(), userId: bob, left: true, rev: 2 } }),
    ],
    [
      'is banned',
      (bob) => ({
        event: 'member:changed',
        payload: { conversationId: newId(), member: { userId: bob, status: 'banned' }, rev: 2 },
      }),
    ],
    [
      'stays in a conversation from which the watcher is removed',
      () => ({ event: 'conversation:removed', payload: { conversationId: newId(), reason: 'removed' } }),
    ],
  ])('checks at once whether a watched user is still visible who %s', async (_, change) => {
    const ann = await gateway.connect();
    const bob = newId();
    await watch(ann.socket, bob);
    const changes = heard(ann.socket, 'presence:changed');
    const requests = () =>
      subscriptions.filter(({ userId, add }) => userId === ann.user.id && add.includes(bob)).length;
    hidden.add(bob);
    await gateway.push({ kind: 'users', users: [ann.user.id], ...change(bob) });
    await eventually(() => expect(requests()).toBe(2), { timeoutMs: 4_000 });
    expect((await watch(ann.socket)).ok).toBe(true);
    await gateway.push(frame(bob, 'online'));
    await gateway.push({
      kind: 'users',
      users: [ann.user.id],
      event: 'presence:changed',
      payload: { userId: stranger, state: 'away' },
    });
    await eventually(() => expect(changes).toEqual([{ userId: stranger, state: 'away' }]));
  });
});

describe('a contact', () => {
  it.each(['ownerId', 'userId'] as const)(
    'who is removed is hidden at once from a watcher that is `%s`',
    async (own) => {
      const ann = await gateway.connect();
      const [bob, eve] = [newId(), newId()];
      await watch(ann.socket, bob, eve);
      const changes = heard(ann.socket, 'presence:changed');
      const asked = () => subscriptions.filter(({ userId, add }) => userId === ann.user.id && add.includes(bob)).length;
      hidden.add(bob);
      const [ownerId, userId] = own === 'ownerId' ? [ann.user.id, bob] : [bob, ann.user.id];
      await gateway.broker.publish('contact.removed.v1', { ownerId, userId });
      await eventually(() => expect(asked()).toBe(2), { timeoutMs: 4_000 });
      expect((await watch(ann.socket)).ok).toBe(true);
      await gateway.push(frame(bob, 'online'));
      await gateway.push(frame(eve, 'away'));
      await eventually(() => expect(changes).toEqual([{ userId: eve, state: 'away' }]));
    },
  );
});

describe('a block', () => {
  const changed = (blockerId: string, blockedId: string, blocked: boolean) => {
    if (blocked) blocks.add(pair(blockerId, blockedId));
    else blocks.delete(pair(blockerId, blockedId));
    return gateway.broker.publish('block.changed.v1', { blockerId, blockedId, blocked });
  };

  it('hides two users from each other until it ends', async () => {
    const [ann, bob, eve] = [await gateway.connect(), await gateway.connect(), await gateway.connect()];
    for (const { user } of [ann, bob]) states.set(user.id, 'online');
    await watch(ann.socket, bob.user.id);
    await watch(bob.socket, ann.user.id);
    await watch(eve.socket, ann.user.id, bob.user.id);
    const [annHears, bobHears, eveHears] = [ann, bob, eve].map(({ socket }) =>
      heard<Presence>(socket, 'presence:changed'),
    ) as [Presence[], Presence[], Presence[]];
    await changed(ann.user.id, bob.user.id, true);
    await eventually(() =>
      expect([annHears, bobHears]).toEqual([
        [{ userId: bob.user.id, state: 'offline' }],
        [{ userId: ann.user.id, state: 'offline' }],
      ]),
    );
    for (const state of ['busy', 'away'] as const)
      for (const { user } of [ann, bob]) {
        states.set(user.id, state);
        await gateway.push(frame(user.id, state));
      }
    await eventually(() => expect(eveHears.map(({ state }) => state)).toEqual(['busy', 'busy', 'away', 'away']));
    // No change arrived in between: the next one is the answer of the request after the block's end.
    await changed(ann.user.id, bob.user.id, false);
    await eventually(() =>
      expect([annHears.map(({ state }) => state), bobHears.map(({ state }) => state)]).toEqual([
        ['offline', 'away'],
        ['offline', 'away'],
      ]),
    );
    await gateway.push(frame(bob.user.id, 'online'));
    await eventually(() => expect(annHears.at(-1)).toEqual({ userId: bob.user.id, state: 'online' }));
  });

  it('hides a user who is watched only afterwards, which counts as a watch', async () => {
    const [ann, eve] = [await gateway.connect(), await gateway.connect()];
    const bob = newId();
    states.set(bob, 'online');
    blocks.add(pair(ann.user.id, bob));
    expect(await watch(ann.socket, bob)).toMatchObject({
      ok: true,
      data: { presence: [{ userId: bob, state: 'offline' }] },
    });
    expect(await watch(eve.socket, bob)).toMatchObject({
      ok: true,
      data: { presence: [{ userId: bob, state: 'online' }] },
    });
    const [annHears, eveHears] = [heard(ann.socket, 'presence:changed'), heard(eve.socket, 'presence:changed')];
    await gateway.push(frame(bob, 'busy'));
    await eventually(() => expect(eveHears).toEqual([{ userId: bob, state: 'busy' }]));
    expect(annHears).toEqual([]);
    const rest = Array.from({ length: limits.presenceWatches }, () => newId());
    expect(await watch(ann.socket, ...rest)).toMatchObject({ error: { code: 'too_large' } });
  });

  it('that arrives during a request is not undone by its answer', async () => {
    const ann = await gateway.connect();
    const bob = newId();
    states.set(bob, 'online');
    // The answer was made before the block, so the push during the request is newer.
    beforeAnswer = async () => {
      await changed(ann.user.id, bob, true);
      await gateway.push(frame(bob, 'busy'));
      await new Promise((resolve) => setImmediate(resolve));
    };
    const answer = await watch(ann.socket, bob).finally(() => (beforeAnswer = () => Promise.resolve()));
    expect(answer).toMatchObject({ ok: true, data: { presence: [{ userId: bob, state: 'offline' }] } });
  });
});

describe('presence:heartbeat', () => {
  it('answers the server’s time and forwards a new state at once', async () => {
    const ann = await gateway.connect();
    expect(await answerTo(ann.socket, 'presence:heartbeat', { state: 'busy' })).toMatchObject({
      ok: true,
      data: { serverTime: expect.any(String) },
    });
    await eventually(() =>
      expect(reports.map(({ event }) => event)).toContainEqual({
        gatewayId: gateway.broker.instance,
        at: expect.any(Number),
        connections: [
          { connectionId: ann.ready.connectionId, userId: ann.user.id, beatAt: expect.any(Number), state: 'busy' },
        ],
      }),
    );
    expect(await answerTo(ann.socket, 'presence:heartbeat', { state: 'offline' })).toMatchObject({
      error: { code: 'invalid' },
    });
  });

  it('is part of every renewal, which lists all connections', async () => {
    const ann = await gateway.connect();
    const renewals = () =>
      reports
        .filter(({ name }) => name === 'connections.renewed.v1')
        .flatMap(({ event }) => (event as DomainEvent<'connections.renewed.v1'>).connections);
    await eventually(() => renewals().some(({ connectionId }) => connectionId === ann.ready.connectionId), {
      timeoutMs: 12_000,
    });
  });
});

describe('a connection', () => {
  it('is reported when it opens and when it closes', async () => {
    const ann = await gateway.connect();
    const reported = (name: string) =>
      reports.some(
        (sign) =>
          sign.name === name && (sign.event as { connectionId?: string }).connectionId === ann.ready.connectionId,
      );
    await eventually(() => reported('connection.opened.v1'));
    ann.socket.disconnect();
    await eventually(() => reported('connection.closed.v1'), { timeoutMs: 2_000 });
  });
});

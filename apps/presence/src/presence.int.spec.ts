import { createInProcessBroker, type Handlers } from '@parley/broker';
import { newId, times, type Presence, type PushFrame, type RequestPayload } from '@parley/contracts';
import { createLogger, type Running } from '@parley/service-kit';
import { eventually } from '@parley/testing';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { createMemoryStore } from './store/memory-store.js';
import { presenceTimes, emptyRecord } from './record.js';
import { createRedisStore } from './store/redis-store.js';
import { startPresence } from './start.js';
import type { PresenceStore } from './store/store.js';

const logger = createLogger('test', 'silent');
/** The usual times, with leases that a test can wait for. */
const quickTimes = { ...presenceTimes, leaseMs: 2_500, graceMs: 300 };
const kinds: [string, (prefix: string) => Promise<PresenceStore>][] = [
  ['in memory', () => Promise.resolve(createMemoryStore({ holdMs: 100 }))],
  ['in Redis', (prefix) => createRedisStore({ url: inject('servers').redisUrl, logger, prefix, holdMs: 100 })],
];

describe.each(kinds)('presence %s', (_, openStore) => {
  let broker: ReturnType<typeof createInProcessBroker>;
  let store: PresenceStore;
  let presence: Running;
  let frames: PushFrame[];
  let announced: Presence[];
  let hidden: Set<string>;
  let blocked: Set<string>;
  const me = newId();

  beforeEach(async () => {
    broker = createInProcessBroker({ service: 'test', logger });
    store = await openStore(`test-${newId()}:`);
    [frames, announced, hidden, blocked] = [[], [], new Set(), new Set()];
    const history: Handlers = {
      events: new Map(),
      requests: new Map([
        [
          'history.visible.v1',
          async ({ payload }) => {
            const { userIds } = payload as RequestPayload<'history.visible.v1'>;
            return {
              userIds: userIds.filter((userId) => !hidden.has(userId)),
              blocked: userIds.filter((userId) => blocked.has(userId)),
            };
          },
        ],
      ]),
    };
    await broker.serve('history', history);
    await broker.listen({
      events: ['presence.changed.v1'],
      onPush: (frame) => void frames.push(frame),
      onEvent: (_name, event) => void announced.push((event as { presence: Presence }).presence),
      onGap: () => undefined,
    });
    presence = await startPresence({ broker, store, logger, sweepMs: 50, holdMs: 100, times: quickTimes });
  });
  afterEach(async () => {
    await presence.stop();
    await broker.close();
    await store.close();
  });

  const connection = (userId: string) => ({ gatewayId: broker.instance, connectionId: newId(), userId });
  const open = (entry: ReturnType<typeof connection>) =>
    broker.publish('connection.opened.v1', { ...entry, at: Date.now() });
  const close = (entry: ReturnType<typeof connection>) =>
    broker.publish('connection.closed.v1', { ...entry, at: Date.now() });
  const renew = (
    { gatewayId, ...entry }: ReturnType<typeof connection>,
    sign: { state?: 'online' | 'away' | 'busy'; age?: number } = {},
  ) => {
    const { age = 0, ...state } = sign;
    return broker.publish('connections.renewed.v1', {
      gatewayId,
      at: Date.now(),
      connections: [{ ...entry, beatAt: Date.now() - age, ...state }],
    });
  };
  const statesOf = (userId: string) =>
    announced.filter((presence) => presence.userId === userId).map(({ state }) => state);
  const caller = { requestId: newId(), userId: me, sessionId: newId(), kind: 'person' } as const;
  const get = async (...userIds: string[]) =>
    (await broker.request('presence.get.v1', { caller, input: { userIds } })).items;
  const watch = async (add: string[], remove: string[] = []) =>
    (await broker.request('presence.watching.v1', { gatewayId: broker.instance, userId: me, add, remove })).presence;

  it('pushes every change to watchers once: online, another state, offline', async () => {
    const ann = connection(newId());
    expect(await watch([ann.userId])).toEqual([{ userId: ann.userId, state: 'offline' }]);
    await open(ann);
    await eventually(() => expect(statesOf(ann.userId)).toEqual(['online']));
    await renew(ann, { state: 'busy' });
    await renew(ann);
    await eventually(() => expect(statesOf(ann.userId)).toEqual(['online', 'busy']));
    await close(ann);
    await eventually(() => expect(statesOf(ann.userId)).toEqual(['online', 'busy', 'offline']));
    expect(frames).toEqual(
      announced.map((payload) => ({ kind: 'watchers', userId: ann.userId, event: 'presence:changed', payload })),
    );
    expect(await get(ann.userId)).toEqual([announced.at(-1)]);
    expect(announced.at(-1)?.lastSeenAt).toBeDefined();
  });

  it('pushes only to gateways that watch at that moment', async () => {
    const [ann, ben] = [connection(newId()), connection(newId())];
    await watch([ann.userId]);
    await watch([], [ann.userId]);
    await open(ann);
    await open(ben);
    await eventually(() => expect([...statesOf(ann.userId), ...statesOf(ben.userId)]).toEqual(['online', 'online']));
    expect(frames).toEqual([]);
  });

  it('keeps a user online until the last device is gone', async () => {
    const phone = connection(newId());
    const laptop = connection(phone.userId);
    await open(phone);
    await renew(phone, { state: 'away' });
    await open(laptop);
    await eventually(() => expect(statesOf(phone.userId).at(-1)).toBe('online'));
    await close(laptop);
    await eventually(async () => {
      await renew(phone);
      expect(statesOf(phone.userId).at(-1)).toBe('away');
    });
    await close(phone);
    await eventually(() => expect(statesOf(phone.userId).at(-1)).toBe('offline'));
  });

  it('makes users of a crashed gateway offline when their lease ends, not before', async () => {
    const [crashed, lively] = [connection(newId()), connection(newId())];
    await Promise.all([open(crashed), open(lively)]);
    await eventually(
      async () => {
        await renew(lively);
        expect(statesOf(crashed.userId)).toEqual(['online', 'offline']);
      },
      { timeoutMs: 15_000, intervalMs: 100 },
    );
    expect(statesOf(lively.userId)).toEqual(['online']);
  });

  it('makes a user away after three missed heartbeats', async () => {
    const ann = connection(newId());
    await renew(ann, { age: 3 * times.heartbeatMs });
    await eventually(() => expect(statesOf(ann.userId)).toEqual(['away']));
    await renew(ann);
    await eventually(() => expect(statesOf(ann.userId)).toEqual(['away', 'online']));
  });

  it('does not announce a reload', async () => {
    const before = connection(newId());
    await open(before);
    await eventually(() => expect(statesOf(before.userId)).toEqual(['online']));
    await close(before);
    const after = connection(before.userId);
    await open(after);
    const marker = connection(newId());
    await open(marker);
    await close(marker);
    await eventually(async () => {
      await renew(after);
      expect(statesOf(marker.userId)).toEqual(['online', 'offline']);
    });
    expect(statesOf(before.userId)).toEqual(['online']);
  });

  it('ignores the opening or renewal of a closed connection that arrives late', async () => {
    const [ann, marker] = [connection(newId()), connection(newId())];
    await close(ann);
    await open(ann);
    await renew(ann);
    await open(marker);
    await eventually(() => expect(statesOf(marker.userId)).toEqual(['online']));
    expect(statesOf(ann.userId)).toEqual([]);
    expect(await get(ann.userId)).toMatchObject([{ state: 'offline' }]);
  });

  it('returns and pushes nothing about users that the caller may not see', async () => {
    const [ann, ben] = [connection(newId()), connection(newId())];
    hidden.add(ben.userId);
    expect(await get(ben.userId, ann.userId, ann.userId)).toEqual([{ userId: ann.userId, state: 'offline' }]);
    expect(await watch([ben.userId])).toEqual([]);
    await open(ben);
    await eventually(() => expect(statesOf(ben.userId)).toEqual(['online']));
    expect(frames).toEqual([]);
  });

  it('returns offline for a blocked user and pushes nothing about them', async () => {
    const [ann, ben] = [connection(newId()), connection(newId())];
    await Promise.all([open(ann), open(ben)]);
    await eventually(() => expect([...statesOf(ann.userId), ...statesOf(ben.userId)]).toEqual(['online', 'online']));
    blocked.add(ben.userId);
    expect(await get(ben.userId, ann.userId)).toEqual([
      { userId: ben.userId, state: 'offline' },
      expect.objectContaining({ userId: ann.userId, state: 'online' }),
    ]);
    const answer = await broker.request('presence.watching.v1', {
      gatewayId: broker.instance,
      userId: me,
      add: [ben.userId, ann.userId],
      remove: [],
    });
    expect(answer).toEqual({
      presence: [
        { userId: ben.userId, state: 'offline' },
        expect.objectContaining({ userId: ann.userId, state: 'online' }),
      ],
      blocked: [ben.userId],
    });
    await renew(ben, { state: 'busy' });
    await renew(ann, { state: 'busy' });
    await eventually(() => expect(statesOf(ann.userId).at(-1)).toBe('busy'));
    await eventually(() => expect(statesOf(ben.userId).at(-1)).toBe('busy'));
    expect(frames.map((frame) => frame.kind === 'watchers' && frame.userId)).toEqual([ann.userId]);
  });

  it('announces a change once, however many replicas handle it', async () => {
    const second = createInProcessBroker({ service: 'test', logger });
    const elsewhere: Presence[] = [];
    await second.listen({
      events: ['presence.changed.v1'],
      onPush: () => undefined,
      onEvent: (_name, event) => void elsewhere.push((event as { presence: Presence }).presence),
      onGap: () => undefined,
    });
    const replica = await startPresence({ broker: second, store, logger, sweepMs: 50, holdMs: 100, times: quickTimes });
    const people = Array.from({ length: 50 }, () => connection(newId()));
    await Promise.all(
      people.flatMap((person) => [open(person), second.publish('connection.opened.v1', { ...person, at: Date.now() })]),
    );
    await eventually(() => expect(announced.length + elsewhere.length).toBeGreaterThanOrEqual(100), {
      timeoutMs: 8_000,
    });
    const all = [...announced, ...elsewhere];
    for (const { userId } of people)
      expect(
        all
          .filter((presence) => presence.userId === userId)
          .map(({ state }) => state)
          .toSorted(),
      ).toEqual(['offline', 'online']);
    await replica.stop();
    await second.close();
  });

  it('recovers from the loss of all records with the next renewals, without announcing anybody offline', async () => {
    const ann = connection(newId());
    await open(ann);
    await eventually(() => expect(statesOf(ann.userId)).toEqual(['online']));
    await store.update([ann.userId], () => emptyRecord);
    await renew(ann, { state: 'busy' });
    await eventually(() => expect(statesOf(ann.userId)).toEqual(['online', 'busy']));
    expect(await get(ann.userId)).toMatchObject([{ state: 'busy' }]);
  });

  it('is unavailable while history cannot tell which users are visible', async () => {
    await presence.stop();
    const alone = createInProcessBroker({ service: 'test', logger });
    presence = await startPresence({ broker: alone, store, logger });
    await expect(alone.request('presence.get.v1', { caller, input: { userIds: [newId()] } })).rejects.toMatchObject({
      code: 'unavailable',
    });
    await presence.stop();
    await alone.close();
  });
});

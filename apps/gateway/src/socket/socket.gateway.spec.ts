import { ChatError, newId, type ServerEventName } from '@parley/contracts';
import { eventually } from '@parley/testing';
import type { Socket } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { acknowledgements, answerTo, TestGateway, heard } from '../spec/test-gateway.js';

const conversationId = newId();
const sent: { body: string; caller: Record<string, unknown>; correlationId: string }[] = [];
const message = { body: 'hello', conversationId, createdAt: new Date().toISOString() };
let failure: unknown;

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await TestGateway.start({ CALL_DEADLINE_MS: '400', USER_LIMIT_SCALE: '50' }, (starting) =>
    starting.serveBasics({
      'message.send.v1': ({ caller, input }, { correlationId }) => {
        if (failure !== undefined) throw failure;
        sent.push({ body: input.body, caller, correlationId });
        return { message: { ...message, body: input.body }, duplicate: false };
      },
      'receipt.read.v1': () => new Promise(() => undefined),
      'conversation.create.v1': ({ caller, input }) => ({
        created: input.kind === 'group',
        conversation: { id: conversationId, kind: input.kind, me: { asked: caller.userId } },
      }),
    }),
  );
});
afterAll(() => gateway.stop());

const send = (body: string, more: object = {}) => ({ conversationId, clientId: newId(), body, ...more });

describe('an acknowledgement', () => {
  it('carries the service’s answer', async () => {
    const { socket, user, sessionId, ready } = await gateway.connect();
    expect(await acknowledgements(socket, 'message:send', send('hi'))).toEqual([
      {
        ok: true,
        data: { message: { ...message, body: 'hi' }, duplicate: false },
        traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
      },
    ]);
    expect(sent.at(-1)!.caller).toEqual({
      requestId: expect.any(String),
      address: '127.0.0.1',
      userId: user.id,
      sessionId,
      kind: 'person',
      connectionId: ready.connectionId,
    });
  });

  it('is of a call with the rights of a person on every connection, once the guest has become one', async () => {
    const guest = gateway.person('guest');
    const [one, other, stranger] = [
      await gateway.connect(guest),
      await gateway.connect(guest),
      await gateway.connect(gateway.person('guest')),
    ];
    const events = [one, other, stranger].map(({ socket }) => heard(socket, 'user:updated'));
    await answerTo(one.socket, 'message:send', send('before'));
    expect(sent.at(-1)!.caller).toMatchObject({ kind: 'guest' });
    const user = { ...guest.user, kind: 'person' as const };
    gateway.people.set(user.id, user);
    await gateway.broker.publish('user.updated.v1', { user });
    await eventually(() => expect(events.slice(0, 2)).toEqual([[{ user }], [{ user }]]));
    // Its token is from before.
    const late = await gateway.connect(guest);
    for (const { socket } of [one, other, late]) {
      await answerTo(socket, 'message:send', send('after'));
      expect(sent.at(-1)!.caller).toMatchObject({ kind: 'person', userId: user.id });
    }
    await answerTo(stranger.socket, 'message:send', send('still a guest'));
    expect(sent.at(-1)!.caller).toMatchObject({ kind: 'guest' });
    expect(events[2]).toEqual([]);
  });

  it('carries the trace id that the service got', async () => {
    const { socket } = await gateway.connect();
    const answer = await answerTo(socket, 'message:send', send('traced'));
    expect(sent.at(-1)).toMatchObject({ body: 'traced', correlationId: (answer as { traceId?: string }).traceId });
  });

  it('carries a refusal of the service unchanged', async () => {
    const { socket } = await gateway.connect();
    failure = new ChatError('reaction_gate', 'earn it', { details: { needed: 3, have: 1 } });
    const answer = await answerTo(socket, 'message:send', send('hi')).finally(() => (failure = undefined));
    expect(answer).toEqual({
      ok: false,
      error: {
        code: 'reaction_gate',
        message: 'earn it',
        details: { needed: 3, have: 1 },
        traceId: expect.any(String),
      },
    });
  });

  it('hides the text of a defect and carries a trace id', async () => {
    const { socket } = await gateway.connect();
    failure = new Error('secret detail');
    const answer = await answerTo(socket, 'message:send', send('hi')).finally(() => (failure = undefined));
    expect(answer.error).toMatchObject({ code: 'internal', traceId: expect.any(String) });
    expect(JSON.stringify(answer)).not.toContain('secret');
  });

  it('is unavailable when the service does not answer', async () => {
    const { socket } = await gateway.connect();
    expect(await answerTo(socket, 'receipt:read', { conversationId, seq: 1 })).toMatchObject({
      ok: false,
      error: { code: 'unavailable' },
    });
  });

  it('is unavailable when no service runs', async () => {
    const isolated = await TestGateway.start({}, async (starting) => {
      await starting.serveBasics();
      starting.broker.request = (
        (request) => (name, payload, options) =>
          name === 'message.send.v1' ? Promise.reject(new ChatError('unavailable')) : request(name, payload, options)
      )(starting.broker.request.bind(starting.broker)) as typeof starting.broker.request;
    });
    try {
      const { socket } = await isolated.connect();
      expect(await answerTo(socket, 'message:send', send('hi'))).toMatchObject({ error: { code: 'unavailable' } });
    } finally {
      await isolated.stop();
    }
  });

  it('says whether the conversation was created or existed already', async () => {
    const { socket, user } = await gateway.connect();
    expect(await answerTo(socket, 'conversation:create', { kind: 'group' })).toMatchObject({
      data: { created: true, conversation: { kind: 'group' } },
    });
    expect(await answerTo(socket, 'conversation:create', { kind: 'direct', memberIds: [newId()] })).toMatchObject({
      data: { created: false, conversation: { me: { asked: user.id } } },
    });
  });
});

/** Everything but a valid call. */
const hostile: readonly (readonly [string, readonly unknown[]])[] = [
  ['an unknown event', ['no:such', {}]],
  ['an event named __proto__', ['__proto__', {}]],
  ['an event named constructor', ['constructor', {}]],
  ['a call that has only HTTP', ['auth.login', {}]],
  ['an event that is a number', [42, {}]],
  ['an empty event name', ['', {}]],
  ['an event called error', ['error', {}]],
  ['no payload', ['message:send']],
  ['two payloads', ['message:send', send('a'), send('b')]],
  ['null', ['message:send', null]],
  ['undefined in the payload', ['message:send', undefined]],
  ['text', ['message:send', 'hello']],
  ['a number', ['message:send', 7]],
  ['an array', ['message:send', [send('a')]]],
  ['binary', ['message:send', Buffer.from('hello')]],
  ['binary inside', ['message:send', send(Buffer.from('hello') as never)]],
  ['an empty object', ['message:send', {}]],
  ['an unknown field', ['message:send', send('a', { admin: true })]],
  [
    'a __proto__ field',
    [
      'message:send',
      JSON.parse(`{"conversationId":"${conversationId}","clientId":"a","body":"b","__proto__":{"admin":true}}`),
    ],
  ],
  ['a constructor field', ['message:send', send('a', { constructor: { prototype: { admin: true } } })]],
  ['an invalid id', ['message:send', send('a', { conversationId: 'x' })]],
  ['an id with NUL', ['message:send', send('a', { conversationId: `${conversationId}\0` })]],
  ['a body with NUL', ['message:send', send('a\0')]],
  ['half a surrogate pair', ['message:send', send('\ud800')]],
  ['a clientId of 65 characters', ['message:send', send('a', { clientId: 'x'.repeat(65) })]],
  ['a system message', ['message:send', send('a', { type: 'system' })]],
  ['neither body nor attachment', ['message:send', send('  ')]],
  ['a negative seq', ['receipt:read', { conversationId, seq: -1 }]],
  ['a huge seq', ['receipt:read', { conversationId, seq: 1e300 }]],
  ['a fractional seq', ['receipt:read', { conversationId, seq: 1.5 }]],
  ['cursors under a bad id', ['sync', { cursors: { __proto__x: 1 } }]],
];

describe('hostile input', () => {
  it.each(hostile)('is answered invalid, once: %s', async (_, event) => {
    const { socket } = await gateway.connect();
    const before = sent.length;
    const answers = await acknowledgements(socket, ...event);
    // A later answer on the same socket proves that no second one follows.
    expect(await answerTo(socket, 'presence:heartbeat', {})).toMatchObject({ ok: true });
    expect(answers).toEqual([
      { ok: false, error: expect.objectContaining({ code: 'invalid', message: expect.any(String) }) },
    ]);
    expect(sent.length).toBe(before);
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
    socket.disconnect();
  });

  it('is answered with every invalid field', async () => {
    const { socket } = await gateway.connect();
    const { error } = await answerTo(socket, 'message:send', {
      conversationId: 'x',
      clientId: newId(),
      body: 'a',
      extra: 1,
    });
    expect(error!['details']).toEqual(
      expect.arrayContaining([
        { path: 'conversationId', message: expect.any(String) },
        { path: 'extra', message: 'unknown field' },
      ]),
    );
  });

  it('with too many bytes in the body is too_large', async () => {
    const { socket } = await gateway.connect();
    expect(await answerTo(socket, 'message:send', send('ä'.repeat(5_000)))).toMatchObject({
      error: { code: 'too_large' },
    });
  });

  it('over 64 KiB ends the connection and nothing else', async () => {
    const { socket } = await gateway.connect();
    const other = await gateway.connect();
    const disconnected = new Promise((resolve) => socket.once('disconnect', resolve));
    socket.emit('message:send', send('x'.repeat(100_000)), () => undefined);
    await disconnected;
    expect(await answerTo(other.socket, 'presence:heartbeat', {})).toMatchObject({ ok: true });
  });

  it('that is no Socket.IO packet ends the connection and nothing else', async () => {
    const { socket } = await gateway.connect();
    const disconnected = new Promise((resolve) => socket.once('disconnect', resolve));
    socket.io.engine.write('2["message:send",' + '['.repeat(60_000));
    await disconnected;
    expect((await gateway.connect()).ready.protocol).toBe(1);
  });

  it('under a reserved name ends the connection and nothing else', async () => {
    const { socket } = await gateway.connect();
    const disconnected = new Promise((resolve) => socket.once('disconnect', resolve));
    socket.io.engine.write('20["disconnect",{}]');
    await disconnected;
    expect((await gateway.connect()).ready.protocol).toBe(1);
  });
});

describe('calls of one connection', () => {
  it('reach the service in the order in which they were made', async () => {
    const bodies: string[] = [];
    const own = await TestGateway.start({}, (starting) =>
      starting.serveBasics({
        'message.send.v1': ({ input }) => {
          bodies.push(input.body);
          return { message, duplicate: false };
        },
      }),
    );
    try {
      const { socket } = await own.connect();
      await Promise.all(Array.from({ length: 50 }, (_, n) => answerTo(socket, 'message:send', send(`m${n}`))));
      expect(bodies).toEqual(Array.from({ length: 50 }, (_, n) => `m${n}`));
    } finally {
      await own.stop();
    }
  });

  it('are carried out also without an acknowledgement callback', async () => {
    const { socket } = await gateway.connect();
    socket.emit('message:send', send('told nobody'));
    await eventually(() => sent.some(({ body }) => body === 'told nobody'));
  });

  it('that come before session:ready wait for it and are answered', async () => {
    const person = gateway.person();
    const socket = gateway.dial({ token: await gateway.token(person) });
    const order: string[] = [];
    socket.once('session:ready', () => order.push('ready'));
    socket.once('connect', () => socket.emit('message:send', send('early'), () => order.push('ack')));
    await eventually(() => expect(order).toEqual(['ready', 'ack']));
  });

  it('are refused when they are too many', async () => {
    const strict = await TestGateway.start({}, (starting) =>
      starting.serveBasics({ 'message.send.v1': () => ({ message, duplicate: false }) }),
    );
    try {
      const { socket } = await strict.connect();
      // A burst of 60, and one more for every 50 ms that this takes.
      const answers = await Promise.all(Array.from({ length: 150 }, () => answerTo(socket, 'message:send', send('a'))));
      const refused = answers.filter(({ ok }) => !ok);
      expect(answers.length - refused.length).toBeGreaterThanOrEqual(60);
      expect(refused.length).toBeGreaterThan(0);
      expect(refused[0]!.error).toMatchObject({ code: 'rate_limited', retryAfterMs: expect.any(Number) });
      const beats = await Promise.all(Array.from({ length: 300 }, () => answerTo(socket, 'presence:heartbeat', {})));
      expect(beats.some(({ error }) => error?.code === 'rate_limited')).toBe(true);
    } finally {
      await strict.stop();
    }
  });
});

describe('a resend over the limit', () => {
  it('is answered all the same, as the protocol promises for a known clientId', async () => {
    const known = newId();
    // One per second, a burst of three.
    const strict = await TestGateway.start({ USER_LIMIT_SCALE: '0.05' }, (starting) =>
      starting.serveBasics({
        'message.send.v1': ({ input }) => ({ message, duplicate: input.clientId === known }),
        'history.sent.v1': ({ clientId }) => ({ sent: clientId === known }),
      }),
    );
    try {
      const { socket } = await strict.connect();
      const sends = [send('a'), send('b'), send('c'), send('one too many'), { ...send('again'), clientId: known }];
      const answers = await Promise.all(sends.map((one) => answerTo(socket, 'message:send', one)));
      expect(answers.slice(0, 3).every(({ ok }) => ok)).toBe(true);
      expect(answers[3]).toMatchObject({ error: { code: 'rate_limited' } });
      expect(answers[4]).toMatchObject({ ok: true, data: { duplicate: true } });
    } finally {
      await strict.stop();
    }
  });
});

describe('answers', () => {
  it('larger than the limit of unsent bytes all reach a client that reads', async () => {
    const items = Array.from({ length: 100 }, () => ({ ...message, body: 'x'.repeat(8000) }));
    const generous = await TestGateway.start({ USER_LIMIT_SCALE: '10' }, (starting) =>
      starting.serveBasics({
        'conversation.history.v1': () => ({ items, lastSeq: 100, hasBefore: false, hasAfter: false }),
      }),
    );
    try {
      const { socket } = await generous.connect(generous.person(), { reconnection: false });
      const answers = await Promise.all(
        Array.from({ length: 60 }, () => answerTo(socket, 'conversation:history', { conversationId })),
      );
      expect(answers.filter(({ ok }) => ok)).toHaveLength(60);
    } finally {
      await generous.stop();
    }
  });
});

describe('a push', () => {
  it('of a message is recorded for each connection that it was written to', async () => {
    const [phone, bob] = [await gateway.connect(), await gateway.connect()];
    const laptop = await gateway.connect(phone);
    const id = newId();
    await gateway.push({
      kind: 'users',
      users: [phone.user.id, bob.user.id, newId()],
      event: 'message:new',
      payload: { message: { ...message, id, createdAt: new Date().toISOString() } },
    });
    const { pushed } = (await gateway.traces.of(id))!;
    expect(new Set(pushed.map(({ userId, connectionId }) => `${userId} ${connectionId}`))).toEqual(
      new Set([phone, laptop, bob].map(({ user, ready }) => `${user.id} ${ready.connectionId}`)),
    );
  });

  const frame = (users: string[], more: object = {}) => ({
    kind: 'users' as const,
    users,
    event: 'message:new' satisfies ServerEventName,
    payload: { message },
    ...more,
  });

  it('reaches every device of its users once', async () => {
    const ann = gateway.person();
    const phone = await gateway.connect(ann);
    const laptop = await gateway.connect({ ...ann, sessionId: newId() });
    const [bob, eve] = [await gateway.connect(), await gateway.connect()];
    const inboxes = [phone, laptop, bob, eve].map(({ socket }) => heard(socket, 'message:new'));
    await gateway.push(frame([ann.user.id, bob.user.id, newId()]));
    await eventually(() => expect(inboxes.map((inbox) => inbox.length)).toEqual([1, 1, 1, 0]));
    expect(inboxes[0]).toEqual([{ message }]);
  });

  it('skips the connection named in except', async () => {
    const ann = gateway.person();
    const phone = await gateway.connect(ann);
    const laptop = await gateway.connect({ ...ann, sessionId: newId() });
    const inboxes = [phone, laptop].map(({ socket }) => heard(socket, 'message:new'));
    await gateway.push(frame([ann.user.id], { except: phone.ready.connectionId }));
    await gateway.push(frame([ann.user.id]));
    await eventually(() => expect(inboxes.map((inbox) => inbox.length)).toEqual([1, 2]));
  });

  it('reaches a connection that has just become ready', async () => {
    for (let round = 0; round < 20; round++) {
      const { socket, user } = await gateway.connect();
      const inbox = heard(socket, 'message:new');
      await gateway.push(frame([user.id]));
      await eventually(() => inbox.length === 1);
      socket.disconnect();
    }
  });

  it('disconnects a client that does not read', async () => {
    const { socket, user } = await gateway.connect(gateway.person(), { reconnection: false });
    const other = await gateway.connect();
    const disconnected = new Promise((resolve) => socket.once('disconnect', resolve));
    const stream = (socket.io.engine.transport as unknown as { ws: { pause(): void; resume(): void } }).ws;
    stream.pause();
    const large = { message: { ...message, body: 'x'.repeat(100_000) } };
    await eventually(async () => {
      for (let n = 0; n < 20; n++) await gateway.push({ ...frame([user.id]), payload: large });
      return !(await gateway.registry.locate([user.id])).gateways([user.id]).size;
    });
    stream.resume();
    await disconnected;
    expect(await answerTo(other.socket, 'presence:heartbeat', {})).toMatchObject({ ok: true });
  });
});

describe('a connection', () => {
  const reconnects = async (socket: Socket, cause: () => unknown) => {
    const reasons = heard<string>(socket, 'disconnect');
    const readies = heard(socket, 'session:ready');
    await cause();
    await eventually(() => expect(readies.length).toBeGreaterThan(0));
    return reasons;
  };

  it('has its transport closed after a gap, so that its client reconnects automatically', async () => {
    const { socket } = await gateway.connect();
    expect(await reconnects(socket, () => gateway.listener.onGap())).toEqual(['transport close']);
  });

  it('that the gateway closes is counted by its reason, from zero on', async () => {
    const own = await TestGateway.start();
    const closed = async (reason: string) =>
      new RegExp(`parley_gateway_closed_total\\{reason="${reason}",.*\\} (\\d+)`).exec(
        (await own.health.answer('/metrics')).body,
      )?.[1];
    try {
      const person = own.person();
      const { socket } = await own.connect(person);
      expect([await closed('sent_elsewhere'), await closed('logout')]).toEqual(['0', '0']);
      await reconnects(socket, () => own.listener.onGap());
      expect(await closed('sent_elsewhere')).toBe('1');

      await own.broker.publish('session.revoked.v1', {
        userId: person.user.id,
        sessionIds: [person.sessionId],
        reason: 'logout',
      });
      await eventually(async () => expect(await closed('logout')).toBe('1'));
    } finally {
      await own.stop();
    }
  });

  it('answers its pending calls before it closes', async () => {
    // Its calls may wait longer than a closing connection does.
    const slow = await TestGateway.start({ CALL_DEADLINE_MS: '9000' }, (starting) =>
      starting.serveBasics({ 'receipt.read.v1': () => new Promise(() => undefined) }),
    );
    try {
      const { socket } = await slow.connect();
      const pending = new Promise((resolve) => socket.emit('receipt:read', { conversationId, seq: 1 }, resolve));
      const disconnected = new Promise((resolve) =>
        socket.once('disconnect', () => resolve('gone, and nothing was answered')),
      );
      await answerTo(socket, 'presence:heartbeat', {});
      slow.listener.onGap();
      expect(await Promise.race([pending, disconnected])).toMatchObject({ ok: false, error: { code: 'unavailable' } });
    } finally {
      await slow.stop();
    }
  });

  it('that does not become ready in time answers the calls that waited for it', async () => {
    let known = false;
    const incomplete = await TestGateway.start({}, (starting) =>
      starting.serveBasics({
        'users.known.v1': ({ userIds }) =>
          known ? { users: userIds.flatMap((id) => starting.people.get(id) ?? []) } : new Promise(() => undefined),
      }),
    );
    try {
      const person = incomplete.person();
      const socket = incomplete.dial({ token: await incomplete.token(person) });
      const early = await new Promise((resolve) =>
        socket.once('connect', () => void answerTo(socket, 'presence:heartbeat', {}).then(resolve)),
      );
      expect(early).toMatchObject({ ok: expect.any(Boolean) });
      known = true;
      await new Promise((resolve) => socket.once('session:ready', resolve));
    } finally {
      await incomplete.stop();
    }
  });

  it('with a lapsed lease reconnects too', async () => {
    const { socket, user, ready } = await gateway.connect();
    await gateway.registry.remove({
      connectionId: ready.connectionId,
      userId: user.id,
      gatewayId: gateway.broker.instance,
    });
    expect(await reconnects(socket, () => undefined)).toEqual(['transport close']);
  });

  it('beyond ten of a user closes the oldest, which does not reconnect', async () => {
    const person = gateway.person();
    const first = await gateway.connect(person);
    const revoked = heard(first.socket, 'session:revoked');
    for (let n = 0; n < 10; n++) await gateway.connect(person);
    await eventually(() => expect(first.socket.connected).toBe(false));
    expect(revoked).toEqual([{ reason: 'too_many' }]);
    expect(first.socket.active).toBe(false);
  });

  it('is ended by a close frame that names it', async () => {
    const { socket, ready } = await gateway.connect();
    await gateway.push({ kind: 'close', connectionId: newId(), reason: 'ended' });
    await gateway.push({ kind: 'close', connectionId: ready.connectionId, reason: 'ended' });
    await eventually(() => expect(socket.connected).toBe(false));
  });

  it('that closes is removed from the registry at once', async () => {
    const { socket, user } = await gateway.connect();
    socket.disconnect();
    await eventually(async () => expect((await gateway.registry.locate([user.id])).gateways([user.id]).size).toBe(0));
  });
});

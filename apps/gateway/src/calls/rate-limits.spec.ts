import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { newId, userRates } from '@parley/contracts';
import { eventually } from '@parley/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answerTo, TestGateway, type Device, type Person } from '../spec/test-gateway.js';

const conversationId = newId();
const message = { body: 'hello' };
let gateway: TestGateway;
const botSessions = new Map<string, { userId: string; sessionId: string; ownerId: string }>();
let searches = 0;
let mostSearches = 0;
let lists = 0;
let mostLists = 0;
let listing = Promise.resolve();

beforeAll(async () => {
  gateway = await TestGateway.start({ CALL_DEADLINE_MS: '5000' }, (starting) =>
    starting.serveBasics({
      'message.send.v1': () => ({ message, duplicate: false }),
      'message.edit.v1': () => ({ message }),
      'message.delete.v1': () => ({ message }),
      'reaction.add.v1': () => ({ message }),
      'reaction.remove.v1': () => ({ message }),
      'message.search.v1': async () => {
        mostSearches = Math.max(mostSearches, ++searches);
        await nextTurn();
        searches--;
        return { items: [] };
      },
      'conversation.create.v1': () => ({ conversation: {}, created: true }),
      'conversation.open.v1': () => ({}),
      'conversation.list.v1': async () => {
        mostLists = Math.max(mostLists, ++lists);
        await listing;
        lists--;
        return { items: [] };
      },
      'member.add.v1': () => ({ member: {} }),
      'receipt.delivered.v1': () => ({ receipt: {} }),
      'receipt.read.v1': () => ({ receipt: {} }),
      'unread.list.v1': () => ({ total: 0, mentions: 0, conversations: [] }),
      'sync.v1': () => ({ changes: [] }),
      'history.sent.v1': () => ({ sent: false }),
      'auth.sessions.v1': () => ({ items: [] }),
      'auth.bot.v1': ({ token }) => botSessions.get(token)!,
    }),
  );
});
afterAll(() => gateway.stop());

/** The number of tokens that come back while `work` runs, and what it returned. */
async function timed<T>(perSecond: number, work: () => Promise<T>): Promise<{ earned: number; result: T }> {
  const started = performance.now();
  const result = await work();
  return { earned: Math.ceil(((performance.now() - started) / 1000) * perSecond) + 1, result };
}
const send = () => ({ conversationId, clientId: newId(), body: 'a' });
const all = <T>(count: number, work: (n: number) => Promise<T>) =>
  Promise.all(Array.from({ length: count }, (_, n) => work(n)));
const codes = (answers: { ok: boolean; error?: { code: string } }[]) =>
  answers.map(({ ok, error }) => (ok ? 'ok' : error!.code));
const count = (values: unknown[], wanted: unknown) => values.filter((value) => value === wanted).length;
const get = async (path: string, token: string) => (await gateway.fetch(path, { token })).status;

/** What a gateway may let a user spend beyond the burst. */
const slack = userRates.calls.burst / 20;

describe('calls of one user', () => {
  it('count together however often the user connects', async () => {
    const person = gateway.person();
    const { earned, result } = await timed(userRates.calls.perSecond, async () => {
      const answers: string[] = [];
      for (let n = 0; n < 8; n++) {
        const device = await gateway.connect(person, { reconnection: false }).catch(() => undefined);
        if (!device) continue;
        answers.push(...codes(await all(100, () => answerTo(device.socket, 'presence:heartbeat', {}))));
        device.socket.disconnect();
      }
      return answers;
    });
    expect(count(result, 'ok')).toBeGreaterThan(150);
    expect(count(result, 'ok')).toBeLessThanOrEqual(userRates.calls.burst + slack + earned);
    expect(result.every((code) => code === 'ok' || code === 'rate_limited')).toBe(true);
  });

  it('count together on both interfaces and on all sockets', async () => {
    const person = gateway.person();
    const token = await gateway.token(person);
    const devices = [await gateway.connect(person), await gateway.connect(person)];
    const { earned, result } = await timed(userRates.calls.perSecond, async () => {
      const beats = all(300, (n) => answerTo(devices[n % 2]!.socket, 'presence:heartbeat', {})).then(codes);
      const requests = all(100, () => get('/api/v1/auth/sessions', token));
      return [...(await beats), ...(await requests)];
    });
    const taken = count(result, 'ok') + count(result, 200);
    expect(taken).toBeGreaterThan(150);
    expect(taken).toBeLessThanOrEqual(userRates.calls.burst + slack + earned);
    expect(count(result, 'rate_limited')).toBeGreaterThan(0);
  });

  it('count by their cost', async () => {
    const { socket } = await gateway.connect();
    const { earned, result } = await timed(userRates.calls.perSecond, () =>
      all(100, () => answerTo(socket, 'sync', { cursors: {} })).then(codes),
    );
    expect(count(result, 'ok')).toBeGreaterThanOrEqual(39);
    expect(count(result, 'ok')).toBeLessThanOrEqual((userRates.calls.burst + slack + earned) / 5);
  });

  it('count when they are refused as invalid or unknown', async () => {
    const { socket } = await gateway.connect();
    const answers = await all(300, (n) => answerTo(socket, n % 2 ? 'no:such' : 'typing', {}));
    expect(count(codes(answers), 'invalid')).toBeGreaterThan(150);
    expect(codes(answers)).toContain('rate_limited');
  });

  it('do not count for another user', async () => {
    const [busy, other] = [await gateway.connect(), await gateway.connect()];
    await all(400, () => answerTo(busy.socket, 'presence:heartbeat', {}));
    expect(await answerTo(other.socket, 'presence:heartbeat', {})).toMatchObject({ ok: true });
  });
});

describe('calls of the bots of one person', () => {
  const botToken = (ownerId: string): string => {
    const token = `parley_bot_${randomBytes(32).toString('base64url')}`;
    const { user, sessionId } = gateway.person('bot');
    botSessions.set(token, { userId: user.id, sessionId, ownerId });
    return token;
  };
  const read = (token: string) => get('/api/v1/unread', token);

  it('count together, and neither for the person nor for the bots of others', async () => {
    const owner = gateway.person();
    const tokens = Array.from({ length: 4 }, () => botToken(owner.user.id));
    const { earned, result } = await timed(userRates.calls.perSecond, () =>
      all(400, (n) => read(tokens[n % tokens.length]!)),
    );
    expect(count(result, 200)).toBeGreaterThan(150);
    expect(count(result, 200)).toBeLessThanOrEqual(userRates.calls.burst + slack + earned);
    expect(await read(await gateway.token(owner))).toBe(200);
    expect(await read(botToken(newId()))).toBe(200);
  });

  it('search one at a time', async () => {
    const ownerId = newId();
    mostSearches = 0;
    const statuses = await all(8, () => get('/api/v1/search/messages?q=word', botToken(ownerId)));
    expect([count(statuses, 200), mostSearches]).toEqual([8, 1]);
  });
});

describe('edits, deletions and reactions', () => {
  it('count as sends', async () => {
    const { socket } = await gateway.connect();
    const messageId = newId();
    const kinds = [
      () => answerTo(socket, 'message:send', send()),
      () => answerTo(socket, 'message:edit', { messageId, body: 'b' }),
      () => answerTo(socket, 'message:delete', { messageId }),
      () => answerTo(socket, 'reaction:add', { messageId, emoji: '👍' }),
      () => answerTo(socket, 'reaction:remove', { messageId, emoji: '👍' }),
    ];
    const { earned, result } = await timed(userRates.messages.perSecond, () =>
      all(120, (n) => kinds[n % kinds.length]!()).then(codes),
    );
    expect(count(result, 'ok')).toBeGreaterThanOrEqual(userRates.messages.burst);
    expect(count(result, 'ok')).toBeLessThanOrEqual(userRates.messages.burst + earned);
  });
});

describe('creating conversations', () => {
  const create = (device: Device, people: number) =>
    answerTo(device.socket, 'conversation:create', { kind: 'group', memberIds: Array.from({ length: people }, newId) });

  it('has a rate of its own', async () => {
    const device = await gateway.connect();
    const { earned, result } = await timed(userRates.creations.perSecond, () =>
      all(80, () => create(device, 0)).then(codes),
    );
    expect(count(result, 'ok')).toBeGreaterThanOrEqual(userRates.creations.burst);
    expect(count(result, 'ok')).toBeLessThanOrEqual(userRates.creations.burst + earned);
  });

  it('counts everybody who is added', async () => {
    const device = await gateway.connect();
    const { earned, result } = await timed(userRates.additions.perSecond, () =>
      all(40, () => create(device, 25)).then(codes),
    );
    expect(count(result, 'ok')).toBeGreaterThanOrEqual(userRates.additions.burst / 25);
    expect(count(result, 'ok')).toBeLessThanOrEqual((userRates.additions.burst + earned) / 25);
    const token = await gateway.token(device);
    const added = await gateway.fetch(`/api/v1/conversations/${conversationId}/members/${newId()}`, {
      method: 'PUT',
      token,
      json: {},
    });
    expect([200, 429]).toContain(added.status);
  });

  it('of a group of more people than the burst is possible once', async () => {
    const device = await gateway.connect();
    expect(await create(device, 1_000)).toMatchObject({ ok: true });
    const refused = await create(device, 1);
    expect(refused).toMatchObject({ ok: false, error: { code: 'rate_limited' } });
    expect(refused.error!['retryAfterMs']).toBeGreaterThan(10_000);
  });
});

describe('searches', () => {
  it('have a rate of their own', async () => {
    const token = await gateway.token(gateway.person());
    const { earned, result } = await timed(userRates.searches.perSecond, () =>
      all(20, () => get('/api/v1/search/messages?q=word', token)),
    );
    expect(count(result, 200)).toBeGreaterThanOrEqual(userRates.searches.burst);
    expect(count(result, 200)).toBeLessThanOrEqual(userRates.searches.burst + earned);
    expect(count(result, 429)).toBeGreaterThan(0);
  });
});

describe('the searches of one user', () => {
  it('wait for each other', async () => {
    const token = await gateway.token(gateway.person());
    mostSearches = 0;
    const statuses = await all(8, () => get('/api/v1/search/messages?q=word', token));
    expect([count(statuses, 200), mostSearches]).toEqual([8, 1]);
  });
});

describe('calls of one user with large answers', () => {
  it('are made four at a time, while those of others go on, and refused when they wait for long', async () => {
    const [token, other] = [await gateway.token(gateway.person()), await gateway.token(gateway.person())];
    const { promise, resolve } = Promise.withResolvers<void>();
    listing = promise;
    mostLists = 0;
    const list = (of: string) => get('/api/v1/conversations', of);
    const refused = all(6, () => list(token)).then((statuses) => count(statuses, 429));
    await eventually(() => expect(lists).toBe(4));
    const others = list(other);
    await eventually(() => expect(lists).toBe(5));
    expect(await all(2, () => list(token))).toEqual([429, 429]);
    resolve();
    expect([await others, await refused, mostLists]).toEqual([200, 2, 5]);
    expect(await all(8, () => list(token))).toEqual(Array(8).fill(200));
  });
});

describe('ten devices of one user', () => {
  it('stay below the rates when all of them connect, catch up and read at the same moment', async () => {
    const person = gateway.person();
    const token = await gateway.token(person);
    const answers = await all(10, () => useNormally(person, token));
    expect(new Set(answers.flat())).toEqual(new Set(['ok', 200]));
  });

  async function useNormally(person: Person, token: string): Promise<unknown[]> {
    const { socket } = await gateway.connect(person);
    const answers = [
      await answerTo(socket, 'presence:heartbeat', {}),
      await answerTo(socket, 'sync', { cursors: {} }),
      await answerTo(socket, 'conversation:open', { conversationId }),
      await answerTo(socket, 'receipt:delivered', { conversationId, seq: 1 }),
      await answerTo(socket, 'receipt:read', { conversationId, seq: 1 }),
      await answerTo(socket, 'message:send', send()),
    ];
    return [...codes(answers), await get('/api/v1/conversations', token), await get('/api/v1/unread', token)];
  }
});

describe('one address', () => {
  it('makes a limited number of handshakes without a valid token', async () => {
    const strict = await TestGateway.start({ ADDRESS_LIMIT_SCALE: '0.1' });
    const refusal = (auth: Record<string, unknown>) =>
      new Promise<string>((resolve) => {
        const socket = strict.dial(auth, { reconnection: false });
        socket.once('connect_error', (error: Error & { data?: { code: string } }) =>
          resolve(error.data?.code ?? error.message),
        );
      });
    try {
      const refusals = await all(40, (n) => refusal(n % 2 ? {} : { token: 'no token' }));
      expect(count(refusals, 'unauthenticated')).toBeGreaterThanOrEqual(10);
      expect(count(refusals, 'rate_limited')).toBeGreaterThan(0);
      expect((await strict.connect()).ready.protocol).toBe(1);
    } finally {
      await strict.stop();
    }
  });

  it('is a /64 network of IPv6, and a /48 network has four times the rate', async () => {
    const strict = await TestGateway.start({ ADDRESS_LIMIT_SCALE: '0.1', TRUST_PROXY: '1' }, (starting) =>
      starting.serveBasics({ 'auth.guest.v1': () => ({}) }),
    );
    const register = async (address: string) => {
      const headers = { 'content-type': 'application/json', 'x-forwarded-for': address };
      return (await strict.fetch('/api/v1/auth/guest', { method: 'POST', headers, body: '{}' })).status;
    };
    const accepted = async (addresses: string[]) => {
      let number = 0;
      for (const address of addresses) if ((await register(address)) !== 429) number++;
      return number;
    };
    try {
      // 3 a minute, and 12 in all networks of a customer.
      expect(await accepted(Array.from({ length: 6 }, (_, n) => `2001:db8:1:1::${n}`))).toBe(3);
      expect(await accepted(Array.from({ length: 20 }, (_, n) => `2001:db8:1:${n + 2}::1`))).toBe(9);
      expect(await accepted(['2001:db8:2:1::1', '2001:db8:3:1::1', '192.0.2.1', '192.0.2.2'])).toBe(4);
    } finally {
      await strict.stop();
    }
  });

  it('has a few passwords checked at a time, and never holds up another', async () => {
    let [underWay, most] = [0, 0];
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const strict = await TestGateway.start({ TRUST_PROXY: '1' }, (starting) =>
      starting.serveBasics({
        'auth.login.v1': async ({ caller }) => {
          if (caller.address !== '192.0.2.1') return {};
          most = Math.max(most, ++underWay);
          await released;
          underWay--;
          return {};
        },
      }),
    );
    const logIn = async (address: string, username: string) => {
      const headers = { 'content-type': 'application/json', 'x-forwarded-for': address };
      const body = JSON.stringify({ username, password: 'correct horse battery' });
      return (await strict.fetch('/api/v1/auth/login', { method: 'POST', headers, body })).status;
    };
    try {
      const busy = all(20, (n) => logIn('192.0.2.1', `user-${n}`));
      await eventually(() => expect(underWay).toBe(8));
      expect(await logIn('192.0.2.2', 'anna')).toBe(200);
      release();
      expect(await busy).toEqual(Array.from({ length: 20 }, () => 200));
      expect(most).toBe(8);
    } finally {
      release();
      await strict.stop();
    }
  });

  it('asks for a limited number of pages, documents and unknown addresses, and is probed without one', async () => {
    // 20 pages, and 4 requests without a token.
    const strict = await TestGateway.start({ ADDRESS_LIMIT_SCALE: '0.02', TRUST_PROXY: '1' });
    const ask = async (path: string, address: string) => {
      const answer = await strict.fetch(path, { headers: { 'x-forwarded-for': address } });
      return [answer.status, answer.headers.get('retry-after')];
    };
    try {
      for (const [n, path] of ['/nothing', '/', '/api/docs', '/api/openapi.json', '/socket.io'].entries()) {
        const address = `192.0.2.${n}`;
        const answers = await all(40, () => ask(path, address));
        const refused = answers.filter(([status]) => status === 429);
        expect([path, refused.length > 0 && refused.length <= 20]).toEqual([path, true]);
        expect(refused.every(([, retryAfter]) => Number(retryAfter) >= 1)).toBe(true);
        const probes = await all(40, () => ask('/health/live', address));
        expect(probes.every(([status]) => status === 200)).toBe(true);
      }
      const unknown = await all(20, () => ask('/api/v1/nothing/there', '192.0.2.100'));
      expect(new Set(unknown.map(([status]) => status))).toEqual(new Set([404, 429]));
    } finally {
      await strict.stop();
    }
  });

  it('makes a limited number of requests without a valid token', async () => {
    const strict = await TestGateway.start({ ADDRESS_LIMIT_SCALE: '0.1', USER_LIMIT_SCALE: '1000' });
    try {
      const statuses = await all(60, async (n) => {
        const response = await strict.fetch('/api/v1/users/me', n % 2 ? {} : { token: 'no token' });
        return response.status;
      });
      expect(count(statuses, 401)).toBeGreaterThanOrEqual(20);
      expect(count(statuses, 429)).toBeGreaterThan(0);
    } finally {
      await strict.stop();
    }
  });
});

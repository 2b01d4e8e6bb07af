import { get } from 'node:http';
import { newId } from '@parley/contracts';
import { Unavailable } from '@parley/service-kit';
import { eventually } from '@parley/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestGateway, heard } from '../spec/test-gateway.js';

let gateway: TestGateway;
beforeAll(async () => void (gateway = await TestGateway.start()));
afterAll(() => gateway.stop());

const refusal = (auth: Record<string, unknown>): Promise<{ code: string; message: string }> =>
  new Promise((resolve, reject) => {
    const socket = gateway.dial(auth);
    socket.once('connect_error', (error: Error & { data?: { code: string; message: string } }) => resolve(error.data!));
    socket.once('session:ready', () => reject(new Error('was accepted')));
  });
const unsigned = (token: string, header: object) => {
  const [, claims] = token.split('.');
  return `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${claims}.`;
};
const spkiText = () =>
  new TextEncoder().encode(gateway.keys.publicKey.export({ type: 'spki', format: 'pem' }).toString());
const past = () => Math.floor(Date.now() / 1000) - 60;

/** Both interfaces must refuse the same bad tokens. */
const bad: Record<string, () => Promise<unknown>> = {
  'an empty one': async () => '',
  garbage: async () => 'garbage',
  'one with spaces': async () => `${await gateway.token(gateway.person())} x`,
  'HS256 under the public key': () => gateway.token(gateway.person(), { header: { alg: 'HS256' }, key: spkiText() }),
  'alg none': async () =>
    unsigned(await gateway.token(gateway.person()), { alg: 'none', typ: 'at+jwt', kid: gateway.kid }),
  'alg none that calls itself ES256': async () =>
    unsigned(await gateway.token(gateway.person()), { alg: 'ES256', typ: 'at+jwt', kid: gateway.kid }),
  'another type': () => gateway.token(gateway.person(), { header: { typ: 'JWT' } }),
  'no key id': () => gateway.token(gateway.person(), { header: { kid: undefined } }),
  'an unknown key id': () => gateway.token(gateway.person(), { header: { kid: newId() } }),
  'another issuer': () => gateway.token(gateway.person(), { claims: { iss: 'elsewhere' } }),
  'another audience': () => gateway.token(gateway.person(), { claims: { aud: 'elsewhere' } }),
  'no issuer': () => gateway.token(gateway.person(), { claims: { iss: undefined } }),
  'an expired one': () => gateway.token(gateway.person(), { claims: { exp: past() } }),
  'one without an expiry': () => gateway.token(gateway.person(), { claims: { exp: undefined } }),
  'one not valid yet': () => gateway.token(gateway.person(), { claims: { nbf: past() + 3600 } }),
  'no session': () => gateway.token(gateway.person(), { claims: { sid: undefined } }),
  'an invalid user id': () => gateway.token(gateway.person(), { claims: { sub: 'me' } }),
  'another kind of user': () => gateway.token(gateway.person(), { claims: { kind: 'root' } }),
};

describe('a bad token', () => {
  it.each(Object.keys(bad))('is refused by the handshake: %s', async (name) => {
    expect(await refusal({ token: await bad[name]!() })).toMatchObject({
      code: 'unauthenticated',
      message: expect.any(String),
    });
  });

  it.each(Object.keys(bad))('is refused over HTTP: %s', async (name) => {
    const answer = await gateway.fetch('/api/v1/users/me', { token: (await bad[name]!()) as string });
    expect([answer.status, await answer.json()]).toMatchObject([401, { code: 'unauthenticated' }]);
  });

  it.each([[{}], [{ token: null }], [{ token: 7 }], [{ token: { toString: 'x' } }], [{ token: ['a'] }]])(
    'is refused when it is not a string: %j',
    async (auth) => {
      expect(await refusal(auth)).toMatchObject({ code: 'unauthenticated' });
    },
  );

  it('is refused where a token is optional and ignored where none is needed', async () => {
    const person = { username: 'somebody', password: 'correct horse battery' };
    const [registering, loggingIn] = await Promise.all(
      ['register', 'login'].map((call) =>
        gateway.fetch(`/api/v1/auth/${call}`, { method: 'POST', json: person, token: 'garbage' }),
      ),
    );
    expect(registering!.status).toBe(401);
    // It reached auth, which does not serve this call here.
    expect(loggingIn!.status).not.toBe(401);
  });
});

describe('a gateway whose clock is wrong', () => {
  it.each([
    ['behind', 3_600_000],
    ['ahead', -3_600_000],
  ] as const)('judges expiry by auth’s clock: an hour %s', async (_, aheadMs) => {
    const own = await TestGateway.start({}, (one) => {
      one.authAheadMs = aheadMs;
      return one.serveBasics();
    });
    try {
      const [person, now] = [own.person(), Math.floor((Date.now() + aheadMs) / 1000)];
      await own.connect(person, {}, await own.token(person, { claims: { iat: now, exp: now + 60 } }));
      const answer = await own.fetch('/api/v1/users/me', {
        token: await own.token(person, { claims: { iat: now - 900, exp: now - 60 } }),
      });
      expect([answer.status, await answer.json()]).toMatchObject([401, { code: 'unauthenticated' }]);
    } finally {
      await own.stop();
    }
  });
});

describe('a session of Engine.IO', () => {
  let own: TestGateway;
  beforeAll(async () => {
    // Five from each address.
    own = await TestGateway.start({ TRUST_PROXY: '1', ADDRESS_LIMIT_SCALE: '0.05' });
  });
  afterAll(() => own.stop());

  const open = async (address: string) => {
    const answer = await own.fetch('/socket.io/?EIO=4&transport=polling', { headers: { 'x-forwarded-for': address } });
    await answer.text();
    return answer;
  };
  const opened = async (address: string, count: number) => {
    const statuses: number[] = [];
    for (let n = 0; n < count; n++) statuses.push((await open(address)).status);
    return statuses;
  };

  it('is refused while too many of its address have asked for no connection, over both transports', async () => {
    expect(await opened('192.0.2.1', 6)).toEqual([200, 200, 200, 200, 200, 429]);
    expect((await open('192.0.2.1')).headers.get('retry-after')).toBe('10');
    const socket = own.dial(
      { token: await own.token(own.person()) },
      { extraHeaders: { 'x-forwarded-for': '192.0.2.1' }, reconnection: false },
    );
    const error = await new Promise<Error>((resolve) => socket.once('connect_error', resolve));
    expect(error.message).toBe('websocket error');
    expect(await opened('192.0.2.2', 1)).toEqual([200]);
  });

  it('counts no more once its client has asked for a connection, and goes on', async () => {
    const extraHeaders = { 'x-forwarded-for': '192.0.2.3' };
    for (let n = 0; n < 7; n++) {
      const options = { extraHeaders, transports: n % 2 === 0 ? ['websocket'] : ['polling', 'websocket'] };
      await own.connect(own.person(), options);
    }
    expect(await opened('192.0.2.3', 6)).toEqual([200, 200, 200, 200, 200, 429]);
  });
});

describe('a good token', () => {
  it('is accepted and answered with a complete session:ready', async () => {
    const before = Date.now();
    const { user, ready } = await gateway.connect();
    expect(ready).toMatchObject({
      user,
      epoch: 'e1',
      protocol: 1,
      heartbeatMs: 10_000,
      limits: { bodyBytes: 8192, socketsPerUser: 10 },
    });
    expect(Date.parse(ready.serverTime)).toBeGreaterThanOrEqual(before);
    expect(Date.parse(ready.serverTime)).toBeLessThanOrEqual(Date.now());
    const located = await gateway.registry.locate([user.id]);
    expect([...located.gateways([user.id]).keys()]).toEqual([gateway.broker.instance]);
  });

  it('is accepted over long polling too', async () => {
    const { ready } = await gateway.connect(gateway.person(), { transports: ['polling'] });
    expect(ready.protocol).toBe(1);
  });

  it('makes its client retry automatically while users cannot be looked up', async () => {
    let isUnavailable = true;
    let tries = 0;
    const flaky = await TestGateway.start({}, (starting) =>
      starting.serveBasics({
        'users.known.v1': ({ userIds }) => {
          tries++;
          if (isUnavailable) throw new Unavailable('the database is unavailable');
          return { users: userIds.flatMap((id) => starting.people.get(id) ?? []) };
        },
      }),
    );
    try {
      const socket = flaky.dial({ token: await flaky.token(flaky.person()) });
      const readies = heard(socket, 'session:ready');
      await eventually(() => tries > 1);
      expect(readies).toEqual([]);
      isUnavailable = false;
      await eventually(() => expect(readies).toHaveLength(1));
    } finally {
      await flaky.stop();
    }
  });

  it('of a user that no longer exists ends the session', async () => {
    const person = gateway.person();
    gateway.people.delete(person.user.id);
    const socket = gateway.dial({ token: await gateway.token(person) });
    const revoked = heard(socket, 'session:revoked');
    await eventually(() => expect(revoked).toEqual([{ reason: 'ended' }]));
    await eventually(() => expect(socket.connected).toBe(false));
  });
});

describe('a revoked session', () => {
  it('loses its sockets and its token at once', async () => {
    const person = gateway.person();
    const phone = await gateway.connect(person);
    const laptop = await gateway.connect({ ...person, sessionId: newId() });
    const revoked = heard(phone.socket, 'session:revoked');
    await gateway.broker.publish('session.revoked.v1', {
      userId: person.user.id,
      sessionIds: [person.sessionId],
      reason: 'logout',
    });
    await eventually(() => expect(phone.socket.connected).toBe(false));
    expect(revoked).toEqual([{ reason: 'logout' }]);
    expect(laptop.socket.connected).toBe(true);
    expect(await refusal({ token: await gateway.token(person) })).toMatchObject({ code: 'unauthenticated' });
    expect((await gateway.fetch('/api/v1/users/me', { token: await gateway.token(person) })).status).toBe(401);
  });

  it('loses its sockets within 5 s when the event was missed', async () => {
    const person = gateway.person();
    const { socket } = await gateway.connect(person);
    gateway.revoked.push(person.sessionId);
    await eventually(() => expect(socket.connected).toBe(false), { timeoutMs: 5_000 });
    expect(await refusal({ token: await gateway.token(person) })).toMatchObject({ code: 'unauthenticated' });
  });
});

describe('without auth', () => {
  it('a handshake is answered unavailable', async () => {
    const isolated = await TestGateway.start({}, () => undefined);
    try {
      const socket = isolated.dial({ token: await isolated.token(isolated.person()) });
      const error = await new Promise<Error & { data?: unknown }>((resolve) => socket.once('connect_error', resolve));
      expect(error.data).toMatchObject({ code: 'unavailable' });
      expect((await isolated.fetch('/health/ready')).status).toBe(503);
      expect((await isolated.fetch('/health/live')).status).toBe(200);
    } finally {
      await isolated.stop();
    }
  });
});

describe('an origin', () => {
  it('must be on the list to connect or to read answers', async () => {
    const strict = await TestGateway.start({ ALLOWED_ORIGINS: 'https://chat.example.org' });
    try {
      const from = (origin: string) => ({ extraHeaders: { origin } });
      for (const transports of [['websocket'], ['polling']]) {
        const socket = strict.dial(
          { token: await strict.token(strict.person()) },
          { ...from('https://evil.example'), transports, reconnection: false },
        );
        await new Promise((resolve) => socket.once('connect_error', resolve));
        expect(
          (await strict.connect(strict.person(), { ...from('https://chat.example.org'), transports })).socket.connected,
        ).toBe(true);
      }
      // The page that this gateway serves.
      expect((await strict.connect(strict.person(), from(new URL(strict.server.url).origin))).socket.connected).toBe(
        true,
      );
      expect((await strict.connect()).socket.connected).toBe(true);
      const cors = async (origin: string) =>
        (await strict.fetch('/health/live', { headers: { origin } })).headers.get('access-control-allow-origin');
      expect(await cors('https://evil.example')).not.toBe('https://evil.example');
      expect(await cors('https://chat.example.org')).toBe('https://chat.example.org');
    } finally {
      await strict.stop();
    }
  });

  /** The status of a polling request with these headers. */
  const poll = async (gateway: TestGateway, headers: Record<string, string>, query = ''): Promise<number> =>
    (await gateway.fetch(`/socket.io/?EIO=4&transport=polling${query}`, { headers })).status;

  it('is demanded in every request of a session', async () => {
    const gateway = await TestGateway.start();
    try {
      const opened = await gateway.fetch('/socket.io/?EIO=4&transport=polling');
      const { sid } = JSON.parse((await opened.text()).slice(1)) as { sid: string };
      const query = `&sid=${sid}`;
      for (const headers of [
        { origin: 'https://evil.example' },
        { origin: 'null' },
        { 'sec-fetch-site': 'cross-site' },
      ]) {
        expect(await poll(gateway, headers, query)).toBe(403);
        const post = { method: 'POST', headers, body: '40{}' };
        expect((await gateway.fetch(`/socket.io/?EIO=4&transport=polling${query}`, post)).status).toBe(403);
      }
      const post = { method: 'POST', headers: { origin: new URL(gateway.server.url).origin }, body: '40{}' };
      expect((await gateway.fetch(`/socket.io/?EIO=4&transport=polling${query}`, post)).status).toBe(200);
    } finally {
      await gateway.stop();
    }
  });

  it('is the gateway’s own unless others are listed', async () => {
    const gateway = await TestGateway.start();
    try {
      const { origin, host } = new URL(gateway.server.url);
      expect(await poll(gateway, { origin })).toBe(200);
      expect(await poll(gateway, { origin: `https://${host}` })).toBe(200);
      expect(await poll(gateway, {})).toBe(200);
      expect(await poll(gateway, { 'sec-fetch-site': 'same-origin' })).toBe(200);
      for (const foreign of ['https://evil.example', 'null', `${origin}.evil.example`, 'http://localhost'])
        expect([foreign, await poll(gateway, { origin: foreign })]).toEqual([foreign, 403]);
      expect(await poll(gateway, { 'sec-fetch-site': 'none' })).toBe(200);
      expect(await poll(gateway, { origin: `${origin}, https://evil.example` })).toBe(403);
      // Two of a header arrive joined. No browser writes another case, or other values.
      for (const site of ['cross-site', 'same-site', 'CROSS-SITE', 'Same-Origin', 'same-origin, cross-site', 'other'])
        expect([site, await poll(gateway, { 'sec-fetch-site': site })]).toEqual([site, 403]);
    } finally {
      await gateway.stop();
    }
  });

  it('may be that of PUBLIC_URL, whatever name a proxy requests', async () => {
    const gateway = await TestGateway.start({ PUBLIC_URL: 'https://chat.example.org/' });
    try {
      expect(await poll(gateway, { origin: 'https://chat.example.org' })).toBe(200);
      expect(await poll(gateway, { origin: 'http://chat.example.org' })).toBe(403);
    } finally {
      await gateway.stop();
    }
  });

  it('cannot read answers as a script', async () => {
    const gateway = await TestGateway.start({ ALLOWED_ORIGINS: '*' });
    try {
      expect(await poll(gateway, {}, '&j=0')).toBe(403);
    } finally {
      await gateway.stop();
    }
  });
});

describe('a host name', () => {
  const statusOf = (gateway: TestGateway, path: string, host: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const asked = get(`${gateway.server.url}${path}`, { headers: { host } }, (answer) => {
        answer.resume();
        resolve(answer.statusCode!);
      });
      asked.once('error', reject);
    });
  const paths = ['/health/live', '/socket.io/?EIO=4&transport=polling', '/'];

  it('must be known, in every kind of request, where the known ones are listed', async () => {
    const gateway = await TestGateway.start({
      PUBLIC_URL: 'https://chat.example.org',
      ALLOWED_HOSTS: 'Parley.internal, b.example',
    });
    try {
      for (const path of paths) {
        for (const host of [
          'chat.example.org',
          'CHAT.example.org:8443',
          'parley.internal',
          '127.0.0.1:3000',
          '[::1]:80',
          'localhost',
        ])
          expect([path, host, await statusOf(gateway, path, host)]).toEqual([path, host, 200]);
        for (const host of [
          'evil.example',
          'chat.example.org.evil.example',
          'xchat.example.org',
          'localhost.evil.example',
          'a@b.example',
          'b.example/evil',
        ])
          expect([path, host, await statusOf(gateway, path, host)]).not.toEqual([path, host, 200]);
      }
    } finally {
      await gateway.stop();
    }
  });

  it('may be any where none is listed', async () => {
    const gateway = await TestGateway.start();
    try {
      for (const path of paths) expect(await statusOf(gateway, path, 'any.example')).toBe(200);
    } finally {
      await gateway.stop();
    }
  });
});

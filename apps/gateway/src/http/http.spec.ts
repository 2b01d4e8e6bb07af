import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { RequestMethod, type Type } from '@nestjs/common';
import { calls, ChatError, errorTable, newId, serverEvents, type Call } from '@parley/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FilesController } from '../files/files.controller.js';
import { callRoutesController } from './call-routes.js';
import { RootController } from './root.controller.js';
import { answerTo, TestGateway, type Person } from '../spec/test-gateway.js';

const conversationId = newId();
let gateway: TestGateway;
let ann: Person;
let token: string;
let guesses = 0;
const asked: unknown[] = [];

beforeAll(async () => {
  gateway = await TestGateway.start(
    { CALL_DEADLINE_MS: '400', ADDRESS_LIMIT_SCALE: '2', TRUST_PROXY: '1' },
    (starting) =>
      starting.serveBasics({
        'user.me.v1': ({ caller }) => ({ user: { id: caller.userId, email: 'a@example.org' } }),
        'user.get.v1': ({ input }) => ({ user: { id: input.userId } }),
        'user.list.v1': ({ input }) => (asked.push(input), { items: [] }),
        'auth.login.v1': () => {
          guesses++;
          throw new ChatError('unauthenticated');
        },
        'auth.guest.v1': ({ caller }) => ({ sessionId: newId(), caller }),
        'auth.logout.v1': () => ({}),
        'auth.sessions.v1': () => new Promise(() => undefined),
        'auth.password.v1': () => {
          throw new Error('a defect');
        },
        'conversation.create.v1': ({ input }) => ({
          created: input.kind === 'group',
          conversation: { id: conversationId },
        }),
        'conversation.history.v1': ({ input }) => (
          asked.push(input),
          { items: [], lastSeq: 0, hasBefore: false, hasAfter: false }
        ),
        'message.send.v1': ({ input }) => ({ message: { body: input.body }, duplicate: input.clientId === 'again' }),
        'receipt.read.v1': ({ input }) => ({ receipt: input }),
        'presence.get.v1': ({ input }) => (asked.push(input), { items: [] }),
      }),
  );
  ann = gateway.person();
  token = await gateway.token(ann);
});
afterAll(() => gateway.stop());

it('tells everybody its version, mode and limits', async () => {
  const answer = await gateway.fetch('/api/v1/info');
  expect(answer.status).toBe(200);
  expect(await answer.json()).toEqual({
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    protocol: 1,
    mode: 'cluster',
    limits: expect.objectContaining({ bodyBytes: 8192 }),
  });
});

const messages = `/api/v1/conversations/${conversationId}/messages`;
const problem = async (answer: Response) => {
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  const body = (await answer.json()) as Record<string, unknown>;
  expect(body).toMatchObject({
    type: expect.any(String),
    title: expect.any(String),
    status: answer.status,
    detail: expect.any(String),
    traceId: expect.any(String),
  });
  return { status: answer.status, code: body['code'], details: body['details'] };
};

describe('a call over HTTP', () => {
  it('answers a single entity without a wrapper', async () => {
    const answer = await gateway.fetch('/api/v1/users/me', { token });
    expect([answer.status, await answer.json()]).toEqual([200, { id: ann.user.id, email: 'a@example.org' }]);
  });

  const traced = (traceparent: string) => gateway.fetch('/api/v1/users/you', { token, headers: { traceparent } });

  it('has the trace id of a well-formed traceparent', async () => {
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const given = await traced(`00-${traceId}-b7ad6b7169203331-01`);
    expect([given.headers.get('trace-id'), ((await given.json()) as { traceId: string }).traceId]).toEqual([
      traceId,
      traceId,
    ]);
  });

  it('has a new trace id instead of a malformed one', async () => {
    const own = await traced(`00-${'0'.repeat(32)}-b7ad6b7169203331-01`);
    expect(own.headers.get('trace-id')).toMatch(/^(?!0{32})[0-9a-f]{32}$/);
    expect(((await own.json()) as { traceId: string }).traceId).toBe(own.headers.get('trace-id'));
  });

  it('matches fixed addresses before those with parameters', async () => {
    const id = newId();
    expect(await (await gateway.fetch(`/api/v1/users/${id}`, { token })).json()).toEqual({ id });
    expect(await problem(await gateway.fetch('/api/v1/users/you', { token }))).toMatchObject({
      status: 400,
      code: 'invalid',
    });
  });

  it('answers 201 only when something was created', async () => {
    const send = async (clientId: string) =>
      (await gateway.fetch(messages, { method: 'POST', token, json: { clientId, body: 'a' } })).status;
    expect([await send('new'), await send('again')]).toEqual([201, 200]);
    const create = (json: unknown) => gateway.fetch('/api/v1/conversations', { method: 'POST', token, json });
    expect((await create({ kind: 'group' })).status).toBe(201);
    const existing = await create({ kind: 'direct', memberIds: [newId()] });
    expect([existing.status, await existing.json()]).toEqual([200, { id: conversationId }]);
  });

  it('is not stored by caches', async () => {
    for (const [path, options] of [
      ['/api/v1/users/me', { token }],
      ['/api/v1/auth/guest', { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }],
      ['/api/v1/users/me', {}],
      ['/api/v1/nothing', { token }],
    ] as const)
      expect((await gateway.fetch(path, options)).headers.get('cache-control')).toBe('no-store');
  });

  it('answers 204 without a body', async () => {
    const answer = await gateway.fetch('/api/v1/auth/logout', { method: 'POST', token });
    expect([answer.status, await answer.text()]).toEqual([204, '']);
  });

  it('parses query parameters into typed values', async () => {
    await gateway.fetch(`${messages}?before=10&limit=5`, { token });
    expect(asked.at(-1)).toEqual({ conversationId, before: 10, limit: 5 });
    await gateway.fetch('/api/v1/users?query=10', { token });
    expect(asked.at(-1)).toEqual({ query: '10' });
    const [a, b] = [newId(), newId()];
    await gateway.fetch(`/api/v1/presence?userIds=${a},${b}`, { token });
    expect(asked.at(-1)).toEqual({ userIds: [a, b] });
    await gateway.fetch(`/api/v1/users?ids=${a},${b}`, { token });
    expect(asked.at(-1)).toEqual({ ids: [a, b] });
  });

  it('trusts a forwarded address of a trusted proxy only', async () => {
    const caller = async (forwarded: string) => {
      const answer = await gateway.fetch('/api/v1/auth/guest', {
        method: 'POST',
        json: {},
        headers: { 'x-forwarded-for': forwarded },
      });
      return ((await answer.json()) as { caller: { address: string } }).caller.address;
    };
    expect(await caller('6.6.6.6, 203.0.113.7')).toBe('203.0.113.7');
  });

  it('has security headers and does not name its software', async () => {
    const { headers } = await gateway.fetch('/api/v1/users/me', { token });
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(headers.get('x-powered-by')).toBeNull();
  });
});

const post =
  (body: string | Uint8Array<ArrayBuffer>, type = 'application/json') =>
  () =>
    gateway.fetch(messages, { method: 'POST', token, body, headers: { 'content-type': type } });
const get = (path: string) => () => gateway.fetch(path, { token });
const refusals: Record<string, [() => Promise<Response>, number, string]> = {
  'malformed JSON': [post('{"clientId":'), 400, 'invalid'],
  'JSON that is no object': [post('[1]'), 400, 'invalid'],
  'JSON that is a text': [post('"x"'), 400, 'invalid'],
  'another content type': [post('clientId=a', 'application/x-www-form-urlencoded'), 400, 'invalid'],
  'an unknown charset': [post('{}', 'application/json; charset=klingon'), 400, 'invalid'],
  'a body that is not UTF-8': [
    post(Uint8Array.from([...Buffer.from('{"clientId":"a","body":"'), 0xff, ...Buffer.from('"}')])),
    400,
    'invalid',
  ],
  'an unknown field': [post('{"clientId":"a","body":"b","admin":true}'), 400, 'invalid'],
  'a __proto__ field': [post('{"clientId":"a","body":"b","__proto__":{"x":1}}'), 400, 'invalid'],
  'a field that contradicts the address': [
    post(`{"clientId":"a","body":"b","conversationId":"${newId()}"}`),
    400,
    'invalid',
  ],
  'more than 64 KiB': [post(JSON.stringify({ clientId: 'a', body: 'x'.repeat(70_000) })), 413, 'too_large'],
  'a body over 8 KiB': [post(JSON.stringify({ clientId: 'a', body: 'x'.repeat(9_000) })), 413, 'too_large'],
  'an unknown parameter': [get(`${messages}?limit=1&colour=red`), 400, 'invalid'],
  'a parameter called __proto__': [get(`${messages}?__proto__=1`), 400, 'invalid'],
  'a repeated parameter': [get(`${messages}?limit=1&limit=2`), 400, 'invalid'],
  'a limit that is no number': [get(`${messages}?limit=1e1`), 400, 'invalid'],
  'a limit over 100': [get(`${messages}?limit=101`), 400, 'invalid'],
  'an empty number': [get(`${messages}?limit=`), 400, 'invalid'],
  'ids beside a name': [get(`/api/v1/users?ids=${newId()}&query=ann`), 400, 'invalid'],
  'both before and after': [get(`${messages}?before=1&after=1`), 400, 'invalid'],
  'an address with bad escapes': [get('/api/v1/users/%FF'), 400, 'invalid'],
  'an unknown address': [get('/api/v1/nothing'), 404, 'not_found'],
  'an unknown address outside': [get('/elsewhere'), 404, 'not_found'],
  'another method': [() => gateway.fetch('/api/v1/unread', { method: 'DELETE', token }), 404, 'not_found'],
  'no token': [() => gateway.fetch('/api/v1/users/me'), 401, 'unauthenticated'],
  'a silent service': [get('/api/v1/auth/sessions'), 503, 'unavailable'],
  'a defect': [
    () =>
      gateway.fetch('/api/v1/auth/password', { method: 'POST', token, json: { current: 'a', next: 'correct horse' } }),
    500,
    'internal',
  ],
};

describe('a refusal over HTTP', () => {
  it.each(Object.keys(refusals))('is problem+json: %s', async (name) => {
    const [request, status, code] = refusals[name]!;
    expect(await problem(await request())).toMatchObject({ status, code });
  });

  it('lists every invalid field', async () => {
    const { details } = await problem(await post('{"clientId":"","body":"b","extra":1}')());
    expect(details).toEqual(
      expect.arrayContaining([
        { path: 'clientId', message: expect.any(String) },
        { path: 'extra', message: 'unknown field' },
      ]),
    );
  });

  it('says when to retry and how to authenticate', async () => {
    expect((await get('/api/v1/auth/sessions')()).headers.get('retry-after')).toMatch(/^\d+$/);
    expect((await gateway.fetch('/api/v1/users/me')).headers.get('www-authenticate')).toBe('Bearer');
  });
});

describe('a request that offers a foreign upgrade', () => {
  it('is answered as an ordinary request', async () => {
    const { hostname, port } = new URL(gateway.server.url);
    const socket = connect(Number(port), hostname);
    socket.end(
      'GET /health/live HTTP/1.1\r\nHost: parley\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n',
    );
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 200 OK/);
  });
});

describe('a password guesser', () => {
  const login = (address: string, username = 'victim') =>
    gateway.fetch('/api/v1/auth/login', {
      method: 'POST',
      json: { username, password: 'wrong' },
      headers: { 'x-forwarded-for': address },
    });

  it('is limited per account and address', async () => {
    // ADDRESS_LIMIT_SCALE is 2: 20 failures.
    for (let n = 0; n < 20; n++) expect((await login('198.51.100.1')).status).toBe(401);
    const before = guesses;
    const refused = await login('198.51.100.1', 'VICTIM');
    expect(await problem(refused)).toMatchObject({ status: 429, code: 'rate_limited' });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(60);
    expect(guesses).toBe(before);
    expect((await login('198.51.100.2')).status).toBe(401);
    expect((await login('198.51.100.1', 'another')).status).toBe(401);
  });

  it('gets no more guesses by making them concurrently', async () => {
    const before = guesses;
    const statuses = (await Promise.all(Array.from({ length: 50 }, () => login('198.51.100.3')))).map(
      ({ status }) => status,
    );
    // A guess that exceeds the deadline gives no information and does not count.
    const [refused, late] = [401, 503].map((code) => statuses.filter((status) => status === code).length) as [
      number,
      number,
    ];
    expect(refused).toBe(20);
    expect(statuses.filter((status) => status === 429)).toHaveLength(30 - late);
    expect(guesses - before).toBeLessThanOrEqual(20 + late);
  });

  it('cannot try many accounts from one address', async () => {
    const statuses: number[] = [];
    for (let n = 0; n < 121; n++) statuses.push((await login('198.51.100.9', `user-${n}`)).status);
    expect(statuses.filter((status) => status === 429)).toHaveLength(1);
  });

  it('cannot create unlimited accounts', async () => {
    const statuses: number[] = [];
    for (let n = 0; n < 61; n++) {
      statuses.push(
        (
          await gateway.fetch('/api/v1/auth/guest', {
            method: 'POST',
            json: {},
            headers: { 'x-forwarded-for': '198.51.100.20' },
          })
        ).status,
      );
    }
    expect(statuses.filter((status) => status === 429)).toHaveLength(1);
  });
});

describe('at the root', () => {
  it('metrics are served only if the operator says so', async () => {
    expect((await gateway.fetch('/metrics')).status).toBe(404);
    const told = await TestGateway.start({ PUBLIC_METRICS: 'true' });
    expect(await (await told.fetch('/metrics')).text()).toContain('# TYPE parley_gateway_calls_total counter');
    await told.stop();
  });

  it('health and keys need no token', async () => {
    expect((await gateway.fetch('/health/live')).status).toBe(200);
    expect((await gateway.fetch('/health/ready')).status).toBe(200);
    const { keys } = (await (await gateway.fetch('/.well-known/jwks.json')).json()) as {
      keys: Record<string, unknown>[];
    };
    expect(keys).toEqual([expect.objectContaining({ kid: gateway.kid, kty: 'EC' })]);
    expect(keys[0]).not.toHaveProperty('d');
  });

  it('OpenAPI has every call', async () => {
    const document = (await (await gateway.fetch('/api/openapi.json')).json()) as {
      openapi: string;
      paths: Record<string, Record<string, { operationId: string }>>;
    };
    expect(document.openapi).toBe('3.1.0');
    for (const [name, { http }] of Object.entries(calls as Record<string, Call>)) {
      if (!http) continue;
      const path = `/api/v1${http.path.replace(/:(\w+)/g, '{$1}')}`;
      expect(document.paths[path]?.[http.method.toLowerCase()]?.operationId).toBe(name);
    }
  });

  it.each(['openapi', 'asyncapi'])('every reference in %s.json resolves', async (name) => {
    expectReferencesToResolve((await (await gateway.fetch(`/api/${name}.json`)).json()) as object);
  });

  it('OpenAPI has exactly the routes that are served', async () => {
    const { paths } = (await (await gateway.fetch('/api/openapi.json')).json()) as { paths: Record<string, object> };
    const documented = Object.entries(paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method} ${path}`),
    );
    // Express answers HEAD wherever there is GET. tus decides by itself which methods it takes at which address.
    const served = [RootController, FilesController, callRoutesController()]
      .flatMap(routesOf)
      .flatMap((route) => (route.startsWith('all ') ? tusRoutes(route.slice(4)) : route));
    expect(documented.toSorted()).toEqual(served.toSorted());
  });

  it('AsyncAPI has exactly the socket calls and events of the tables', async () => {
    const document = (await (await gateway.fetch('/api/asyncapi.json')).json()) as {
      asyncapi: string;
      channels: { socket: { messages: Record<string, { name: string }> } };
      operations: Record<string, { action: string; messages: { $ref: string }[] }>;
    };
    expect(document.asyncapi).toBe('3.1.0');
    const { messages } = document.channels.socket;
    const named = (action: string) =>
      Object.values(document.operations)
        .filter((operation) => operation.action === action)
        .flatMap((operation) => operation.messages.map(({ $ref }) => messages[$ref.split('/').at(-1)!]!.name))
        .toSorted();
    const received = Object.values(calls as Record<string, Call>).flatMap(({ socket }) => socket ?? []);
    expect(named('receive')).toEqual(received.toSorted());
    expect(named('send')).toEqual(Object.keys(serverEvents).toSorted());
    const all = [...received, ...received.map((event) => `${event} (acknowledgement)`), ...Object.keys(serverEvents)];
    expect(
      Object.values(messages)
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(all.toSorted());
  });

  it('answers `invalid` to socket events that are no calls in AsyncAPI', async () => {
    const { socket } = await gateway.connect();
    const unknown = [
      'conversation:delete',
      'presence:get',
      'message:pin',
      ...Object.keys(serverEvents).filter(
        (event) => !Object.values(calls as Record<string, Call>).some((call) => call.socket === event),
      ),
    ];
    for (const event of unknown)
      expect([event, await answerTo(socket, event, {})]).toMatchObject([
        event,
        { ok: false, error: { code: 'invalid' } },
      ]);
  });

  it('the HTML documentation lists every call, event and code', async () => {
    const answer = await gateway.fetch('/api/docs');
    const html = await answer.text();
    expect(answer.headers.get('content-type')).toMatch(/^text\/html/);
    for (const name of [...Object.keys(calls), ...Object.keys(serverEvents), ...Object.keys(errorTable)])
      expect(html).toContain(name);
  });

  it('the HTML documentation loads its own files only, and has no inline script or style', async () => {
    const answer = await gateway.fetch('/api/docs');
    const html = await answer.text();
    const policy = answer.headers.get('content-security-policy');
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    expect(html).not.toMatch(/<style|<script(?![^>]*src)| style=| on\w+="|\[object|undefined</);
    const files = [...html.matchAll(/<(?:link|script|img)[^>]*(?:src|href)="([^"]+)"/g)].map(([, file]) => file!);
    expect(files).toEqual(['docs/style.css', '../favicon.svg', 'docs/script.js']);
    for (const file of ['style.css', 'script.js', 'socket.io.js'])
      expect((await gateway.fetch(`/api/docs/${file}`)).status).toBe(200);
  });
});

/** The routes of a controller, from Nest's metadata. */
function routesOf(controller: Type): string[] {
  const path = (...parts: string[]) =>
    `/${parts.join('/')}`
      .replace(/\/+/g, '/')
      .replace(/(.)\/$/, '$1')
      .replace(/:(\w+)/g, '{$1}');
  const base = Reflect.getMetadata('path', controller) as string;
  const names = Object.getOwnPropertyNames(controller.prototype).filter((name) => name !== 'constructor');
  return names.flatMap((name) => {
    const handler = (controller.prototype as Record<string, object>)[name]!;
    const paths = Reflect.getMetadata('path', handler) as string | string[] | undefined;
    const method = RequestMethod[Reflect.getMetadata('method', handler) as RequestMethod];
    return [paths ?? []].flat().map((one) => `${method.toLowerCase()} ${path(base, one)}`);
  });
}

const tusRoutes = (path: string): string[] =>
  (path.endsWith('{id}') ? ['head', 'patch', 'delete'] : ['post']).map((method) => `${method} ${path}`);

function expectReferencesToResolve(document: object): void {
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, reference]) => reference!);
  expect(references.length).toBeGreaterThan(0);
  const resolves = (reference: string) =>
    reference
      .split('/')
      .slice(1)
      .reduce<unknown>((node, key) => (node as Record<string, unknown> | undefined)?.[key], document) !== undefined;
  expect(references.filter((reference) => !resolves(reference))).toEqual([]);
}

import { loadConfig } from '@parley/service-kit';
import { eventually, ReverseProxy } from '@parley/testing';
import { io } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gatewayConfig } from '../config.js';
import { TestGateway } from '../spec/test-gateway.js';

let gateway: TestGateway;
let proxy: ReverseProxy;
beforeAll(async () => {
  gateway = await TestGateway.start({ BASE_PATH: '/chat' });
  proxy = await ReverseProxy.to(gateway.server.url, { path: '/chat' });
});
afterAll(async () => {
  proxy.close();
  await gateway.stop();
});
const root = () => new URL(gateway.server.url).origin;

describe('a gateway under a path', () => {
  it.each(['/health/live', '/.well-known/jwks.json', '/api/docs', '/api/openapi.json', '/', '/rooms', '/sw.js'])(
    'serves %s there',
    async (path) => {
      expect((await fetch(proxy.url + path)).status).toBe(200);
    },
  );

  it.each(['/', '/rooms', '/api/docs', '/api/v1/auth/guest', '/chatter/api/docs', '/.well-known/jwks.json', '/sw.js'])(
    'answers not_found for %s outside',
    async (path) => {
      const answer = await fetch(root() + path);
      expect([answer.status, await answer.json()]).toMatchObject([404, { code: 'not_found' }]);
    },
  );

  it('answers probes of health at the root too', async () => {
    await eventually(async () => expect((await fetch(`${root()}/health/ready`)).status).toBe(200));
  });

  it('leads from the path to the page below it', async () => {
    const answer = await fetch(`${proxy.url}?x=1`, { redirect: 'manual' });
    expect([answer.status, answer.headers.get('location')]).toEqual([308, '/chat/?x=1']);
  });

  it('names its documents, uploads and problems with the path', async () => {
    const document = (await (await fetch(`${proxy.url}/api/openapi.json`)).json()) as { servers: object };
    expect(document.servers).toMatchObject([{ url: '/chat' }]);
    const sockets = (await (await fetch(`${proxy.url}/api/asyncapi.json`)).json()) as { servers: object };
    expect(sockets.servers).toMatchObject({ gateway: { pathname: '/chat/socket.io/' } });
    expect(await (await fetch(`${proxy.url}/api/v1/users/me`)).json()).toMatchObject({
      type: '/chat/api/docs#error-unauthenticated',
    });
  });

  it('takes sockets there, by WebSocket and by polling, and nowhere else', async () => {
    const device = gateway.person();
    const auth = { token: await gateway.token(device) };
    for (const transport of ['websocket', 'polling']) {
      const { origin } = new URL(proxy.url);
      const socket = io(origin, { path: '/chat/socket.io', auth, transports: [transport], forceNew: true });
      await new Promise<void>((resolve, reject) => {
        socket.once('session:ready', () => resolve());
        socket.once('connect_error', reject);
      });
      socket.disconnect();
      const outside = io(root(), { auth, transports: [transport], forceNew: true, reconnection: false });
      await new Promise((resolve) => void outside.once('connect_error', resolve));
      outside.disconnect();
    }
  });
});

describe('BASE_PATH', () => {
  const read = (BASE_PATH: string) => loadConfig({ BASE_PATH: gatewayConfig.BASE_PATH }, { BASE_PATH }).BASE_PATH;

  it.each([
    'chat',
    '/chat/',
    '/',
    '//',
    '/a//b',
    '/..',
    '/.',
    '/a/../b',
    '/a/.',
    '/a?b',
    '/a#b',
    '/%2e',
    '/a%20b',
    '/a b',
  ])('is not %s', (path) => expect(() => read(path)).toThrow('BASE_PATH: must be a path'));
  it.each(['/é', '/ａ', '/a\\b', '/a;b', '/a\n', '/a:b', '/a@b'])('is not %j', (path) =>
    expect(() => read(path)).toThrow('BASE_PATH: must be a path'),
  );
  it.each(['/health', '/api', '/API/v1', '/socket.io', '/metrics', '/.well-known', '/health/chat'])(
    'is not the gateway’s own %s',
    (path) => expect(() => read(path)).toThrow('BASE_PATH: must not begin with /api, /health'),
  );
  it.each(['/chat', '/a/b', '/healthy', '/a/api', '/..a', '/.chat', '/~anna', '/v1.2-x_y'])('may be %s', (path) =>
    expect(read(path)).toBe(path),
  );
});

it.each(['https://u@chat.localhost', 'https://:p@chat.localhost', 'https://chat.localhost/?a', 'https:///chat'])(
  'PUBLIC_URL is not %s',
  (PUBLIC_URL) => {
    expect(() => loadConfig({ PUBLIC_URL: gatewayConfig.PUBLIC_URL }, { PUBLIC_URL })).toThrow('PUBLIC_URL: must');
  },
);

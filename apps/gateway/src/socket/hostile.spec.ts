/**
 * Input that no client sends: garbage for every parser, and objects that attack Object.prototype. The gateway runs in
 * this process, so pollution is visible here.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callNames, calls, newId, type Call } from '@parley/contracts';
import { eventually } from '@parley/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { answerTo, TestGateway, type Device } from '../spec/test-gateway.js';

let gateway: TestGateway;
let token: string;
let witness: Device;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-hostile-'));
  const environment = { CALL_DEADLINE_MS: '300', USER_LIMIT_SCALE: '50', ADDRESS_LIMIT_SCALE: '50', FILES_DIR: folder };
  gateway = await TestGateway.start(environment, (starting) =>
    starting.serveBasics({ 'attachment.admit.v1': () => ({}), 'attachment.release.v1': () => ({}) }),
  );
  token = await gateway.token(gateway.person());
  witness = await gateway.connect(undefined, { reconnection: false });
});
afterAll(async () => {
  await gateway.stop();
  await rm(folder, { recursive: true });
});

const ownNames = Object.getOwnPropertyNames(Object.prototype).join();
/** After every attack: other clients are served on their existing connections, and no defect was logged. */
const unharmed = async (): Promise<void> => {
  expect(await answerTo(witness.socket, 'presence:heartbeat', {})).toMatchObject({ ok: true });
  expect((await gateway.fetch('/health/ready')).status).toBe(200);
  expect(gateway.logged.filter((line) => line.includes('defect'))).toEqual([]);
  expect(Object.getOwnPropertyNames(Object.prototype).join()).toBe(ownNames);
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
};
afterEach(unharmed);

/** A plain WebSocket with a Socket.IO session, without Socket.IO's client. */
async function openSocket(): Promise<{ socket: WebSocket; closed: () => boolean; heard: string[] }> {
  const socket = new WebSocket(`${gateway.server.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
  socket.binaryType = 'arraybuffer';
  const heard: string[] = [];
  socket.addEventListener('message', ({ data }) => void heard.push(String(data)));
  await eventually(() => heard.some((text) => text.startsWith('0{')));
  socket.send(`40${JSON.stringify({ token })}`);
  await eventually(() => heard.some((text) => text.includes('session:ready')));
  return { socket, closed: () => socket.readyState === WebSocket.CLOSED, heard };
}

const deep = (levels: number, inner = '1') => `${'[{"a":'.repeat(levels)}${inner}${'}]'.repeat(levels)}`;
const packets: readonly (readonly [string, readonly (string | Uint8Array<ArrayBuffer>)[]])[] = [
  ['an empty frame', ['']],
  ['an unknown Engine.IO packet', ['9', '7x', 'x']],
  ['a second handshake of Engine.IO', ['0{"sid":"x"}']],
  ['an unrequested pong, and an upgrade of a WebSocket', ['3', '3probe', '2probe', '5', '6']],
  ['a Socket.IO packet without a type', ['4']],
  ['an unknown Socket.IO packet', ['49[]', '4x']],
  ['an event without content', ['42', '42[]', '42{}', '42null', '42[null]', '42[[]]', '42[{}]']],
  ['JSON that ends early', ['42["message:send",{']],
  ['an acknowledgement of nothing', ['43[]', '430[]', '4399999999999999999999["x"]']],
  ['an event with a huge id', ['4299999999999999999999999["typing",{}]']],
  ['another connection of a namespace', ['40', `40${JSON.stringify({ token: 'x' })}`]],
  [
    'an unknown namespace',
    ['40/admin,', '42/admin,["x"]', '40/__proto__,', '42/constructor,["x"]', `40/${'x'.repeat(10_000)},`],
  ],
  ['an error from the client', ['44{"message":"x"}']],
  [
    'announced attachments that never arrive',
    ['451-["message:send",{"_placeholder":true,"num":0}]', '42["typing",{}]'],
  ],
  ['attachments without a count', ['45-["x"]', '45', '451', '45x-["x"]']],
  ['a huge count of attachments', ['45999999999-["x"]']],
  ['an attachment that points elsewhere', ['451-["x",{"_placeholder":true,"num":7}]', new Uint8Array(8)]],
  [
    'an attachment that points to a prototype',
    ['451-["x",{"_placeholder":true,"num":"__proto__"}]', new Uint8Array(8)],
  ],
  ['unannounced binary data', [new Uint8Array(1000), crypto.getRandomValues(new Uint8Array(1000))]],
  [
    'depth',
    [
      `420["peer:signal",${deep(6_000)}]`,
      `421["peer:signal",{"to":"${newId()}","conversationId":"${newId()}","data":${deep(5_000)}}]`,
    ],
  ],
  ['many keys', [`420["typing",{${Array.from({ length: 6_000 }, (_, n) => `"k${n}":1`).join()}}]`]],
  ['invalid numbers', ['420["typing",{"active":1e999999}]', `421["receipt:read",{"seq":${'9'.repeat(5_000)}}]`]],
  [
    'a prototype',
    [
      `420["typing",{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}]`,
      '421["__proto__",{"__proto__":{"polluted":true}}]',
    ],
  ],
  ['a forged handshake', ['40{"token":{"__proto__":{"polluted":true}},"__proto__":{"polluted":true}}']],
];

describe('a WebSocket', () => {
  it.each(packets)('with %s affects no other connection', async (_, frames) => {
    const { socket, closed, heard } = await openSocket();
    for (const frame of frames) socket.send(frame);
    // It must be answered or closed; it must not hang.
    socket.send('427["presence:heartbeat",{}]');
    await eventually(() => closed() || heard.some((text) => text.startsWith('437[{"ok":true')));
    socket.close();
  });

  it('with a frame of more than 64 KiB is closed', async () => {
    for (const frame of ['4'.repeat(70_000), new Uint8Array(70_000)]) {
      const { socket, closed } = await openSocket();
      socket.send(frame);
      await eventually(closed);
    }
  });

  it('that never joins a namespace cannot call and is closed after a while', async () => {
    const socket = new WebSocket(`${gateway.server.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
    const heard: string[] = [];
    socket.addEventListener('message', ({ data }) => void heard.push(String(data)));
    await eventually(() => heard.length > 0);
    socket.send('420["presence:heartbeat",{}]');
    await eventually(() => socket.readyState === WebSocket.CLOSED);
    expect(heard.filter((text) => text.startsWith('43'))).toEqual([]);
  });
});

describe('long polling', () => {
  const poll = (query: string, init: RequestInit = {}) => gateway.fetch(`/socket.io/?${query}`, init);
  it.each([
    ['EIO=4&transport=polling&sid=nobody'],
    ['EIO=4&transport=polling&sid=__proto__'],
    ['EIO=4&transport=polling&sid=constructor'],
    ['EIO=4&transport=polling&sid=hasOwnProperty'],
    ['EIO=4&transport=__proto__'],
    ['EIO=4&transport=constructor'],
    ['EIO=4'],
    ['EIO=3&transport=polling'],
    ['transport=polling&EIO[]=4'],
    ['EIO=4&transport[__proto__][polluted]=1'],
    ['__proto__[polluted]=1'],
    ['EIO=4&transport=polling&sid=a&sid=b'],
  ])('with %s is refused', async (query) => {
    expect((await poll(query)).status).toBe(400);
    expect((await poll(query, { method: 'POST', body: '40' })).status).toBe(400);
  });

  it('with invalid bodies affects no other connection', async () => {
    for (const body of [
      '',
      '\x1e\x1e\x1e',
      '9',
      '40',
      'b====',
      `b${'A'.repeat(1000)}`,
      '4'.repeat(70_000),
      `42${deep(5_000)}`,
      '\0\ud800',
    ]) {
      const { sid } = JSON.parse((await (await poll('EIO=4&transport=polling')).text()).slice(1)) as { sid: string };
      const answer = await poll(`EIO=4&transport=polling&sid=${sid}`, { method: 'POST', body });
      expect(answer.status, JSON.stringify(body.slice(0, 20))).toBeLessThan(500);
    }
  });
});

/** Sends raw bytes. Returns all bytes received until the other side closes or is silent for two seconds. */
function raw(...chunks: readonly (string | Uint8Array)[]): Promise<string> {
  return new Promise((resolve) => {
    const { port, hostname } = new URL(gateway.server.url);
    let answer = '';
    const socket = connect(Number(port), hostname, () => chunks.forEach((chunk) => socket.write(chunk)));
    socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(answer));
    socket.setTimeout(2_000, () => socket.destroy());
  });
}
const get = (path: string, ...headers: string[]) =>
  raw([`GET ${path} HTTP/1.1`, 'Host: x', 'Connection: close', ...headers, '', ''].join('\r\n'));
const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0);

describe('a connection', () => {
  it.each([
    ['Host: a', 'Host: a'],
    ['Host: a', 'Host: b'],
    ['Host:'],
    ['Host: user@a'],
    ['Host: a b'],
    ['Host: a/b'],
    ['Host: a\\b'],
    ['Host: a:99999'],
    ['Host: [::1'],
  ])('whose host is given as %j %j is refused everywhere', async (...hosts) => {
    for (const path of ['/', '/health/live', '/api/v1/users/me', '/socket.io/?EIO=4&transport=polling']) {
      const answer = await raw([`GET ${path} HTTP/1.1`, 'Connection: close', ...hosts, '', ''].join('\r\n'));
      expect([path, statusOf(answer)]).toEqual([path, 400]);
    }
  });

  it('with bytes that are not HTTP is closed', async () => {
    for (let times = 0; times < 20; times++)
      expect([400]).toContain(statusOf(await raw(crypto.getRandomValues(new Uint8Array(2000)))));
    for (const text of [
      '\0\0\0\0',
      'GET\r\n\r\n',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
      'GET / HTTP/9.9\r\n\r\n',
      '*3\r\n$3\r\nSET\r\n',
    ])
      expect([0, 400, 505]).toContain(statusOf(await raw(text)));
  });

  it('that smuggles a second request is refused', async () => {
    const post = 'POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
    for (const framing of [
      'Content-Length: 4\r\nTransfer-Encoding: chunked',
      'Content-Length: 4\r\nContent-Length: 5',
      'Transfer-Encoding: xchunked',
      'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
      'Content-Length: -1',
      'Content-Length : 4',
    ]) {
      const answer = await raw(`${post}${framing}\r\n\r\n0\r\n\r\nGET /health/live HTTP/1.1\r\nHost: x\r\n\r\n`);
      expect([0, 400, 501], framing).toContain(statusOf(answer));
      expect(answer).not.toContain('"status":"ok"');
    }
  });

  it('with oversized headers or control characters is refused', async () => {
    expect(statusOf(await get('/health/live', `X-Long: ${'x'.repeat(20_000)}`))).toBe(431);
    expect(statusOf(await get('/health/live', ...Array.from({ length: 3_000 }, (_, n) => `X-${n}: y`)))).toBe(431);
    expect(statusOf(await get('/health/live', 'X-Evil: a\0b'))).toBe(400);
    expect(statusOf(await get(`/${'x'.repeat(20_000)}`))).toBe(431);
  });

  it.each([
    '/api/v1/../../../etc/passwd',
    '/api/v1/attachments/..%2f..%2fetc%2fpasswd',
    '/api/v1/users/%00',
    '/api/v1/users/%ff',
    '/api/v1/users/%',
    '/%2e%2e/%2e%2e/etc/passwd',
    '//etc/passwd',
    '/api/v1//users/me',
    '/__proto__',
    '/api/v1/users/__proto__',
    '*',
    '/socket.io/../health/live?EIO=4',
  ])('that requests the path %s gets no file', async (path) => {
    const answer = await get(path, `Authorization: Bearer ${token}`);
    expect([400, 401, 403, 404, 431, 503], answer.slice(0, 200)).toContain(statusOf(answer));
    expect(answer).not.toContain('root:');
  });

  it('with an invalid upgrade is refused', async () => {
    const upgrade = ['Upgrade: websocket', 'Connection: Upgrade'];
    for (const headers of [
      [],
      ['Sec-WebSocket-Version: 99', 'Sec-WebSocket-Key: x'],
      ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: short'],
      ['Sec-WebSocket-Version: 13'],
    ]) {
      expect([0, 400, 426]).toContain(
        statusOf(
          await raw(
            ['GET /socket.io/?EIO=4&transport=websocket HTTP/1.1', 'Host: x', ...upgrade, ...headers, '', ''].join(
              '\r\n',
            ),
          ),
        ),
      );
    }
  });
});

const pollution =
  '"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"prototype":{"polluted":true}';

describe('Object.prototype', () => {
  const http = callNames.filter((name) => (calls[name] as Call).http !== undefined);
  it.each(http)('is not polluted by the body of %s', async (name) => {
    const { method, path, query } = (calls[name] as Call).http!;
    const address = `/api/v1${path.replace(/:\w+/g, newId())}`;
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    const bodies = [
      `{${pollution}}`,
      `{"kind":"group","policy":{${pollution}}}`,
      `{"memberIds":[{${pollution}}],"data":{${pollution}}}`,
    ];
    for (const body of method === 'GET' ? [] : bodies)
      expect((await gateway.fetch(address, { method, body, headers })).status).toBe(400);
    expect(
      (
        await gateway.fetch(`${address}?__proto__[polluted]=1&constructor.prototype.polluted=1&__proto__=1`, {
          method,
          headers,
        })
      ).status,
    ).toBe(400);
    for (const one of Object.keys(query ?? {}))
      expect((await gateway.fetch(`${address}?${one}[__proto__][polluted]=1`, { method, headers })).status).toBe(400);
  });

  it('is not polluted by the payload of any socket call', async () => {
    const { socket } = await gateway.connect();
    for (const name of callNames) {
      const { socket: event } = calls[name] as Call;
      if (event === undefined) continue;
      for (const text of [
        `{${pollution}}`,
        `{"cursors":{${pollution}},"policy":{${pollution}},"line":{${pollution}},"userIds":[{${pollution}}]}`,
      ]) {
        expect([event, await answerTo(socket, event, JSON.parse(text))]).toMatchObject([
          event,
          { ok: false, error: { code: 'invalid' } },
        ]);
      }
    }
  });

  it('is not polluted by the metadata of an upload, a part of a form or a header', async () => {
    const value = Buffer.from('{"polluted":true}').toString('base64');
    const tus = { 'tus-resumable': '1.0.0', 'upload-length': '5' };
    for (const metadata of [
      `__proto__ ${value}`,
      `constructor ${value},filename ${value}`,
      `__proto__.polluted ${value}`,
      'filename ____',
      '__proto__',
      ',',
      'filename \u00ff',
    ]) {
      expect([201, 400]).toContain(
        (
          await gateway.fetch('/api/v1/uploads', {
            method: 'POST',
            token,
            headers: { ...tus, 'upload-metadata': metadata },
          })
        ).status,
      );
    }
    for (const field of ['__proto__', 'constructor', '__proto__[polluted]', 'file[__proto__]']) {
      const form = new FormData();
      form.append(field, 'x');
      form.append(field, new Blob(['x']), '__proto__');
      expect((await gateway.fetch('/api/v1/attachments', { method: 'POST', token, body: form })).status).toBe(400);
    }
    expect((await gateway.fetch('/health/live', { headers: { ['__proto__']: 'x', constructor: 'x' } })).status).toBe(
      200,
    );
  });
});

describe('JSON over HTTP', () => {
  const post = (body: string | Uint8Array<ArrayBuffer>, type = 'application/json') =>
    gateway.fetch('/api/v1/conversations', { method: 'POST', token, body, headers: { 'content-type': type } });
  it('that is invalid or too large is refused', async () => {
    expect((await post(deep(5_000))).status).toBe(400);
    expect((await post(`{"kind":${deep(5_000)}}`)).status).toBe(400);
    expect((await post(`{"kind":"group","title":"${'x'.repeat(70_000)}"}`)).status).toBe(413);
    expect((await post(`{${Array.from({ length: 5_000 }, (_, n) => `"k${n}":1`).join()}}`)).status).toBe(400);
    for (const body of [
      '',
      'null',
      '1',
      '"x"',
      '[]',
      '{',
      '{"a":1}}',
      '\ufeff{}',
      '{"kind":"group","kind":{}}',
      "{'kind':1}",
      'NaN',
    ])
      expect([400], body).toContain((await post(body)).status);
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/xml',
      'application/json; charset=utf-16',
      'multipart/form-data; boundary=x',
    ])
      expect([400], type).toContain((await post('{"kind":"group"}', type)).status);
    expect((await post(Uint8Array.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).status).toBe(400);
  });

  it('that is compressed is decompressed within its limit only', async () => {
    const packed = await new Response(
      new Blob([`{"kind":"${'x'.repeat(50_000_000)}"}`]).stream().pipeThrough(new CompressionStream('gzip')),
    ).arrayBuffer();
    expect(packed.byteLength).toBeLessThan(64 * 1024);
    const answer = await gateway.fetch('/api/v1/conversations', {
      method: 'POST',
      token,
      body: packed,
      headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
    });
    expect(answer.status).toBe(413);
  });
});

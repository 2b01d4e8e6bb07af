import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isPublic, post, publicAddresses, sign, type Resolve } from './post.js';

describe('an address', () => {
  it.each([
    '0.0.0.0',
    '10.0.0.1',
    '127.0.0.1',
    '127.255.255.255',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '100.64.0.1',
    '100.127.255.255',
    '192.0.0.1',
    '192.0.2.1',
    '198.18.0.1',
    '198.51.100.1',
    '203.0.113.1',
    '224.0.0.1',
    '239.1.2.3',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::127.0.0.1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '::ffff:0:10.0.0.1',
    '64:ff9b::10.0.0.1',
    '64:ff9b::8.8.8.8',
    '64:ff9b:1::1',
    'fe80::1',
    'fec0::1',
    'fc00::1',
    'fd00:ec2::254',
    'ff02::1',
    '2001:db8::1',
    '2002:7f00:1::',
    '2002:808:808::1',
    '2001::1',
    '100::1',
    '5f00::1',
    'fe80::1%eth0',
    '',
    'localhost',
    '0177.0.0.1',
    '2130706433',
  ])('is not public: %s', (address) => expect(isPublic(address)).toBe(false));

  it.each([
    '8.8.8.8',
    '1.1.1.1',
    '93.184.216.34',
    '172.15.0.1',
    '172.32.0.1',
    '100.63.0.1',
    '100.128.0.1',
    '2606:4700:4700::1111',
    '2a00:1450:4001:80b::200e',
  ])('is public: %s', (address) => expect(isPublic(address)).toBe(true));
});

describe('a host name', () => {
  const resolve = (...addresses: string[]) => publicAddresses(async () => addresses)('hooks.example.org');

  it('resolves to all its public addresses', async () => {
    expect(await resolve('8.8.8.8', '2606:4700:4700::1111')).toEqual([
      { address: '8.8.8.8', family: 4 },
      { address: '2606:4700:4700::1111', family: 6 },
    ]);
  });

  it.each([['127.0.0.1'], ['8.8.8.8', '169.254.169.254'], ['2606:4700:4700::1111', '::1']])(
    'is refused when one of them is not public: %s',
    async (...addresses) => {
      await expect(resolve(...addresses)).rejects.toThrow('the address is not allowed');
    },
  );

  it('is refused without addresses', async () => {
    await expect(resolve()).rejects.toThrow('the host has no address');
  });

  it('that is an address is checked without a DNS query', async () => {
    const resolveWithoutDns = publicAddresses(() => Promise.reject(new Error('asked')));
    expect(await resolveWithoutDns('8.8.8.8')).toEqual([{ address: '8.8.8.8', family: 4 }]);
    await expect(resolveWithoutDns('10.0.0.1')).rejects.toThrow('the address is not allowed');
  });
});

describe('a request', () => {
  let server: Server;
  let port: number;
  let answer: (request: IncomingMessage, response: ServerResponse) => unknown;
  const requests: { host: string | undefined; method: string | undefined; body: string; signature: unknown }[] = [];
  beforeAll(async () => {
    server = createServer((request, response) => {
      void text(request).then((body) => {
        requests.push({
          host: request.headers.host,
          method: request.method,
          body,
          signature: request.headers['parley-signature'],
        });
        answer(request, response);
      });
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    ({ port } = server.address() as AddressInfo);
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  const here: Resolve = async () => [{ address: '127.0.0.1', family: 4 }];
  const send = (url: string, resolve = here, timeoutMs = 5_000) =>
    post(url, { 'parley-signature': sign('secret', '1', '{}') }, '{}', {
      resolve,
      signal: AbortSignal.timeout(timeoutMs),
    });

  it('goes to the checked address, with the name as host', async () => {
    answer = (_, response) => response.writeHead(204).end();
    expect(await send(`http://hooks.invalid:${port}/path`)).toEqual({ status: 204 });
    expect(requests.at(-1)).toEqual({
      host: `hooks.invalid:${port}`,
      method: 'POST',
      body: '{}',
      signature: 'v1=1122767b193110cfec322b6f199b599edbf608ed087f2d27afb0b97d99523908',
    });
  });

  it('resolves its name once', async () => {
    answer = (_, response) => response.end();
    let times = 0;
    const rebinding: Resolve = async () => [{ address: times++ === 0 ? '127.0.0.1' : '192.0.2.1', family: 4 }];
    expect(await send(`http://hooks.invalid:${port}/`, rebinding)).toEqual({ status: 200 });
    expect(times).toBe(1);
  });

  it.each(['http://127.0.0.1', 'http://0x7f.1', 'http://2130706433', 'http://[::ffff:127.0.0.1]', 'http://127.0.0.1.'])(
    'is not made to an address that is not public, in any notation: %s',
    async (origin) => {
      const before = requests.length;
      expect(
        await send(
          `${origin}:${port}/`,
          publicAddresses(async (host) => [host]),
        ),
      ).toEqual({ problem: 'the address is not allowed' });
      expect(requests).toHaveLength(before);
    },
  );

  it('does not follow redirects', async () => {
    const before = requests.length;
    answer = (_, response) => response.writeHead(302, { location: `http://127.0.0.1:${port}/elsewhere` }).end();
    expect(await send(`http://hooks.invalid:${port}/`)).toEqual({ status: 302, problem: 'redirects are not followed' });
    expect(requests).toHaveLength(before + 1);
  });

  it('does not read long answers to their end', async () => {
    let written = 0;
    answer = (_, response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(16 * 1024)) && written < 1e9) written += 16 * 1024;
      };
      response.on('drain', more);
      more();
    };
    expect(await send(`http://hooks.invalid:${port}/`)).toEqual({ status: 200 });
    expect(written).toBeLessThan(64 * 1024 ** 2);
    answer = () => undefined;
    expect(await send(`http://hooks.invalid:${port}/`, here, 100)).toEqual({ problem: 'no answer in time' });
    expect(await send(`http://hooks.invalid:${port}/`, () => new Promise(() => undefined), 100)).toEqual({
      problem: 'no answer in time',
    });
  });

  it('reports why it failed', async () => {
    answer = (_, response) => response.writeHead(500).end();
    expect(await send(`http://hooks.invalid:${port}/`)).toEqual({ status: 500, problem: 'answered 500' });
    answer = (request) => request.socket.destroy();
    expect(await send(`http://hooks.invalid:${port}/`)).toEqual({ problem: 'ECONNRESET' });
    expect(await send('http://hooks.invalid:1/')).toEqual({ problem: 'ECONNREFUSED' });
    expect((await send(`https://hooks.invalid:${port}/`)).problem).toMatch(/EPROTO|SSL/);
  });
});

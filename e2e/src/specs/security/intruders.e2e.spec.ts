/** Attacks with forged tokens, ended sessions, guessed passwords, and ids of other users' things. */
import {
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  randomUUID,
  sign,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { newId } from '@parley/contracts';
import { ChatClient, eventually, uniqueName } from '@parley/testing';
import { io } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { modes } from '../../deployments/modes.js';
import { codeOf, TestDeployment } from '../../deployments/test-deployment.js';

/** As behind one proxy, with the limits per address of docs/protocol.md, section 4. */
const env = { ADDRESS_LIMIT_SCALE: '1', TRUST_PROXY: '1' };
const part = (value: object | string): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const es256 = (input: string, key: KeyObject): string =>
  sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
const hs256 = (input: string, key: string): string => createHmac('sha256', key).update(input).digest('base64url');

describe.each([
  ['embedded', () => modes.embedded(env)],
  ['cluster', () => modes.cluster(env)],
] as const)('an intruder, in %s mode', (_, start) => {
  let deployment: TestDeployment;
  let ann: ChatClient;
  let ben: ChatClient;
  beforeAll(async () => {
    deployment = await TestDeployment.open(start);
    [ann, ben] = await Promise.all([deployment.person(), deployment.person()]);
  });
  afterAll(() => deployment?.close());

  const request = (path: string, { token, ...init }: RequestInit & { token?: string } = {}) =>
    fetch(`${ann.url}${path}`, {
      ...init,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(init.headers as Record<string, string>),
      },
    });
  const codeIn = async (answer: Response): Promise<string> =>
    answer.ok ? 'ok' : ((await answer.json()) as { code: string }).code;
  const handshake = (token: string, transports: ('websocket' | 'polling')[]): Promise<string> =>
    new Promise((resolve) => {
      const socket = io(ann.url, { auth: { token }, transports, forceNew: true, reconnection: false });
      const done = (outcome: string) => (socket.disconnect(), resolve(outcome));
      socket.once('connect_error', (error: Error & { data?: { code: string } }) =>
        done(error.data?.code ?? error.message),
      );
      socket.once('session:ready', () => done('ok'));
    });
  const uploading = { method: 'POST', headers: { 'tus-resumable': '1.0.0', 'upload-length': '5' } };
  /** The results of a token at every entry point. */
  const doors = async (token: string): Promise<string[]> => [
    ...new Set([
      await handshake(token, ['websocket']),
      await handshake(token, ['polling']),
      await codeIn(await request('/api/v1/users/me', { token })),
      await codeIn(await request('/api/v1/uploads', { ...uploading, token })),
      await codeIn(await request(`/api/v1/attachments/${newId()}`, { token })).then((code) =>
        code === 'not_found' ? 'ok' : code,
      ),
      await codeIn(
        await request('/api/v1/auth/register', {
          method: 'POST',
          token,
          body: JSON.stringify({ username: 'x' }),
          headers: { 'content-type': 'application/json' },
        }),
      ).then((code) => (code === 'invalid' ? 'ok' : code)),
    ]),
  ];

  describe('a token', () => {
    it('issued by auth is accepted at every entry point (control for the following tests)', async () => {
      expect(await doors(ann.session.accessToken)).toEqual(['ok']);
    });

    it('forged with all public information is refused everywhere', async () => {
      const { keys } = (await (await request('/.well-known/jwks.json')).json()) as {
        keys: (JsonWebKey & { kid: string })[];
      };
      const [jwk] = keys as [JsonWebKey & { kid: string }];
      const [header, claims, signature] = ann.session.accessToken.split('.') as [string, string, string];
      const good = JSON.parse(Buffer.from(header, 'base64url').toString()) as { alg: string; typ: string; kid: string };
      const mine = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const pem = createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' }).toString();
      let fetched = 0;
      const lure = createServer(
        (_request, response) => (
          fetched++,
          response.end(JSON.stringify({ keys: [{ ...mine.publicKey.export({ format: 'jwk' }), kid: jwk.kid }] }))
        ),
      );
      await new Promise<void>((resolve) => void lure.listen(0, '127.0.0.1', resolve));
      const address = `http://127.0.0.1:${(lure.address() as AddressInfo).port}/keys`;

      const under = (more: object, signed: (input: string) => string, of = claims): string => {
        const input = `${part({ ...good, ...more })}.${of}`;
        return `${input}.${signed(input)}`;
      };
      const bens = part({ ...(JSON.parse(Buffer.from(claims, 'base64url').toString()) as object), sub: ben.user.id });
      const own = (input: string) => es256(input, mine.privateKey);
      const forged: Record<string, string> = {
        'the claims of another under a good signature': `${header}.${bens}.${signature}`,
        'no signature': `${header}.${claims}.`,
        'two parts': `${header}.${claims}`,
        'the signature of zeros': `${header}.${bens}.${Buffer.alloc(64).toString('base64url')}`,
        'alg none': under({ alg: 'none' }, () => '', bens),
        'alg None with a signature': under({ alg: 'None' }, () => signature),
        'HS256 with the public key as PEM': under({ alg: 'HS256' }, (input) => hs256(input, pem), bens),
        'HS256 with the public key as it is published': under(
          { alg: 'HS256' },
          (input) => hs256(input, JSON.stringify(jwk)),
          bens,
        ),
        'HS256 with its coordinate': under({ alg: 'HS256' }, (input) => hs256(input, jwk.x!), bens),
        'HS256 with nothing': under({ alg: 'HS256', kid: '../../../../dev/null' }, (input) => hs256(input, '\0'), bens),
        'a key of one’s own': under({}, own, bens),
        'a key of one’s own in the header': under({ jwk: mine.publicKey.export({ format: 'jwk' }) }, own, bens),
        'a key of one’s own at an address': under({ jku: address, x5u: address }, own, bens),
        'an unknown key': under({ kid: newId() }, own, bens),
        'a key named by SQL': under({ kid: "' union select '" }, own, bens),
        'a key named like what every object has': under({ kid: '__proto__' }, own, bens),
        'another type': under({ typ: 'JWT' }, own, bens),
        'critical extensions': under({ crit: ['exp'] }, own, bens),
        'a refresh token': ann.session.refreshToken,
        'a session id': ann.session.sessionId,
        'a bot token of one’s own making': `parley_bot_${'A'.repeat(43)}`,
      };
      for (const [name, token] of Object.entries(forged))
        expect([name, await doors(token)]).toEqual([name, ['unauthenticated']]);
      expect(fetched).toBe(0);
      lure.close();
    });

    it('of an ended session is refused everywhere', async () => {
      const device = await ChatClient.login(ann.url, ann.user.username, 'correct horse battery');
      await device.connect();
      await ann.http('auth.end', { sessionId: device.session.sessionId });
      await device.waitFor('session:revoked');
      await eventually(() => expect(device.connected).toBe(false));
      await eventually(async () => expect(await doors(device.session.accessToken)).toEqual(['unauthenticated']));
      expect(await codeOf(device.http('auth.refresh', { refreshToken: device.session.refreshToken }))).toBe(
        'unauthenticated',
      );
      expect(await doors(ann.session.accessToken)).toEqual(['ok']);
    });

    it('that was stolen and refreshed ends the session for thief and owner as soon as the owner refreshes it', async () => {
      const owner = await ChatClient.login(ann.url, ann.user.username, 'correct horse battery');
      await owner.connect();
      const thief = await owner.http('auth.refresh', { refreshToken: owner.session.refreshToken });
      expect(await codeOf(owner.http('auth.refresh', { refreshToken: owner.session.refreshToken }))).toBe(
        'unauthenticated',
      );
      expect((await owner.waitFor('session:revoked')).payload.reason).toBe('reuse');
      expect(await codeOf(owner.http('auth.refresh', { refreshToken: thief.refreshToken }))).toBe('unauthenticated');
      for (const token of [owner.session.accessToken, thief.accessToken])
        await eventually(async () => expect(await doors(token)).toEqual(['unauthenticated']));
    });

    it('of a bot cannot do what needs an account', async () => {
      const { user, token } = await ann.http('bot.create', { username: uniqueName('b').replace('-', '_') });
      const bot = new ChatClient(ann.url, { ...ann.session, user, accessToken: token });
      expect(await codeOf(bot.http('bot.create', { username: uniqueName('c') }))).toBe('forbidden');
      expect(await codeOf(bot.http('bot.token', { userId: user.id }))).toBe('not_found');
      expect(await codeOf(bot.http('bot.delete', { userId: user.id }))).toBe('not_found');
      expect(await codeOf(bot.http('auth.password', { current: token, next: 'correct horse battery' }))).toBe(
        'forbidden',
      );
      expect(await codeOf(bot.http('auth.end', { sessionId: ann.session.sessionId }))).toBe('not_found');
      expect(await codeOf(bot.http('auth.login', { username: user.username, password: token }))).toBe(
        'unauthenticated',
      );
      expect(await codeOf(bot.http('auth.refresh', { refreshToken: token }))).toBe('unauthenticated');
    });
  });

  describe('a password guesser', () => {
    const login = (address: string, username: string, password: string, url = ann.url) =>
      fetch(`${url}/api/v1/auth/login`, {
        method: 'POST',
        body: JSON.stringify({ username, password }),
        headers: { 'content-type': 'application/json', 'x-forwarded-for': address },
      });
    /** The answer without the fields that differ each time. */
    const comparable = async (answer: Response): Promise<unknown> => {
      const { traceId: _trace, retryAfterMs: _wait, ...body } = (await answer.json()) as Record<string, unknown>;
      const headers = [...answer.headers.keys()].filter((name) => name !== 'date').toSorted();
      return { status: answer.status, headers, body };
    };

    it('gets the same answers for existing and unknown names, before and after being throttled', async () => {
      const [known, unknown] = [[], []] as [unknown[], unknown[]];
      for (let n = 0; n < 11; n++) {
        known.push(await comparable(await login('192.0.2.1', ben.user.username, `guess number ${n}`)));
        unknown.push(await comparable(await login('192.0.2.1', 'nobody-of-this-name', `guess number ${n}`)));
      }
      expect(unknown).toEqual(known);
      expect(known.map((answer) => (answer as { status: number }).status)).toEqual([
        ...Array.from({ length: 10 }, () => 401),
        429,
      ]);
    });

    it('does not lock out the owner at another address', async () => {
      expect((await login('192.0.2.2', ben.user.username, 'correct horse battery')).status).toBe(200);
      expect((await login('192.0.2.1', ben.user.username, 'correct horse battery')).status).toBe(429);
    });

    it('gets no more tries by forging the address, changing the case of the name, or using another gateway', async () => {
      for (let n = 0; n < 10; n++)
        await login(
          `203.0.113.${n}, 192.0.2.3`,
          n % 2 ? ben.user.username : ben.user.username.toUpperCase(),
          'guess',
          deployment.urls[n % deployment.urls.length],
        );
      for (const url of deployment.urls)
        expect((await login('203.0.113.99, 192.0.2.3', ben.user.username, 'guess', url)).status).toBe(429);
    });

    it('with an open session of the victim gets no more tries', async () => {
      const open = await ChatClient.login(ann.url, ann.user.username, 'correct horse battery');
      const codes: string[] = [];
      for (let n = 0; n < 11; n++)
        codes.push(
          await codeOf(open.http('auth.password', { current: `guess number ${n}`, next: 'correct horse battery' })),
        );
      expect(codes).toEqual([...Array.from({ length: 10 }, () => 'forbidden'), 'rate_limited']);
    });
  });

  describe('a user who knows ids of other users’ things', () => {
    it('cannot end others’ sessions or change others’ bots', async () => {
      expect(await codeOf(ben.http('auth.end', { sessionId: ann.session.sessionId }))).toBe('not_found');
      const bot = await ann.http('bot.create', { username: uniqueName('b') });
      expect(await codeOf(ben.http('bot.token', { userId: bot.user.id }))).toBe('not_found');
      expect(await codeOf(ben.http('bot.delete', { userId: bot.user.id }))).toBe('not_found');
      expect(await codeOf(ben.http('bot.delete', { userId: ann.user.id }))).toBe('not_found');
      expect(await doors(ann.session.accessToken)).toEqual(['ok']);
      expect(await doors(bot.token)).toEqual(['ok']);
    });

    it('cannot see, change or delete another conversation’s webhook, not even through a conversation of their own', async () => {
      const { id: conversationId } = await deployment.group([ann]);
      await deployment.group([ben]);
      const { webhook } = await ann.http('webhook.create', { conversationId, url: 'https://hooks.example.org/parley' });
      const hook = { webhookId: webhook.id };
      const codes = [
        codeOf(ben.http('webhook.update', { ...hook, enabled: false })),
        codeOf(ben.http('webhook.deliveries', hook)),
        codeOf(ben.http('webhook.delete', hook)),
        codeOf(ben.http('webhook.list', { conversationId })),
      ];
      expect(await Promise.all(codes)).toEqual(['not_found', 'not_found', 'not_found', 'not_found']);
      expect((await ann.http('webhook.list', { conversationId })).items).toMatchObject([{ id: webhook.id }]);
    });

    it('cannot download, attach or use as avatar a file uploaded by somebody else, nor its preview', async () => {
      const form = new FormData();
      const png = Buffer.from(
        'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
        'base64',
      );
      form.append('file', new Blob([png]), 'mine.png');
      const attachment = (await (
        await request('/api/v1/attachments', { method: 'POST', body: form, token: ann.session.accessToken })
      ).json()) as { id: string; thumbnailId: string };
      const { id: conversationId } = await deployment.group([ben, ann]);
      for (const id of [attachment.id, attachment.thumbnailId]) {
        expect(await codeIn(await request(`/api/v1/attachments/${id}`, { token: ben.session.accessToken }))).toBe(
          'not_found',
        );
        expect(
          await codeOf(ben.call('message.send', { conversationId, clientId: randomUUID(), attachmentIds: [id] })),
        ).toBe('not_found');
        expect(await codeOf(ben.http('user.update', { avatarId: id }))).toBe('not_found');
      }
      expect(
        await codeIn(await request(`/api/v1/attachments/${attachment.id}`, { token: ann.session.accessToken })),
      ).toBe('ok');
    });

    it('cannot see, continue or abort another user’s upload', async () => {
      const created = await request('/api/v1/uploads', { ...uploading, token: ann.session.accessToken });
      const location = created.headers.get('location')!;
      const tus = (method: string, token: string, headers: Record<string, string> = {}, body?: string) =>
        request(location, {
          method,
          token,
          headers: { 'tus-resumable': '1.0.0', ...headers },
          ...(body === undefined ? {} : { body }),
        });
      const patch = { 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' };
      expect((await tus('HEAD', ben.session.accessToken)).status).toBe(404);
      expect((await tus('PATCH', ben.session.accessToken, patch, 'hello')).status).toBe(404);
      expect((await tus('DELETE', ben.session.accessToken)).status).toBe(404);
      expect((await tus('PATCH', ann.session.accessToken, patch, 'hello')).status).toBe(204);
      expect(
        await codeIn(
          await request(`/api/v1/attachments/${location.split('/').at(-1)!}`, { token: ben.session.accessToken }),
        ),
      ).toBe('not_found');
    });

    it('gets their own list with another user’s cursor', async () => {
      for (const title of ['one', 'two', 'three'])
        await Promise.all([deployment.group([ann], { title }), deployment.group([ben], { title })]);
      const anns = await ann.http('conversation.list', { limit: 1 });
      const cursor = anns.nextCursor!;
      const listed = await ben.http('conversation.list', { cursor, limit: 100 });
      expect(
        listed.items.every(
          ({ me, createdBy }) => me !== undefined && (createdBy === ben.user.id || me.role === 'member'),
        ),
      ).toBe(true);
      const mine = new Set(
        (await ann.http('conversation.list', { limit: 100 })).items
          .filter(({ memberCount }) => memberCount === 1)
          .map(({ id }) => id),
      );
      expect(listed.items.filter(({ id }) => mine.has(id))).toEqual([]);
      const lists = [
        'conversation.public',
        'contact.list',
        'block.list',
        'bot.list',
        'auth.sessions',
        'user.list',
      ] as const;
      for (const name of lists) expect([name, await codeOf(ben.http(name, { cursor }))]).toEqual([name, 'invalid']);
      await ChatClient.login(ann.url, ann.user.username, 'correct horse battery');
      const { nextCursor } = await ann.http('auth.sessions', { limit: 1 });
      const sessions = await ben.http('auth.sessions', { cursor: nextCursor! });
      const hers = new Set((await ann.http('auth.sessions', {})).items.map(({ id }) => id));
      expect(sessions.items.filter(({ id }) => hers.has(id))).toEqual([]);
    });

    it('cannot find out by a clientId what another user sent', async () => {
      const { id: conversationId } = await deployment.group([ann, ben]);
      const clientId = randomUUID();
      const { message } = await ann.send(conversationId, 'hers', clientId);
      const answer = await ben.send(conversationId, 'his', clientId);
      expect(answer).toMatchObject({ duplicate: false, message: { body: 'his', senderId: ben.user.id } });
      expect(answer.message.id).not.toBe(message.id);
    });
  });

  describe('an upload with a false name or type', () => {
    const png = Buffer.from(
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
      'base64',
    );
    const script = '<html><script>alert(document.domain)</script></html>';
    /** A form built from bytes, so that the part's headers arrive unchanged. */
    const upload = async (
      content: Buffer | string,
      partHeaders = 'Content-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/html',
    ) => {
      const body = Buffer.concat([
        Buffer.from(`--x\r\n${partHeaders}\r\n\r\n`),
        Buffer.from(content),
        Buffer.from('\r\n--x--\r\n'),
      ]);
      return request('/api/v1/attachments', {
        method: 'POST',
        body,
        token: ann.session.accessToken,
        headers: { 'content-type': 'multipart/form-data; boundary=x' },
      });
    };
    const served = async (answer: Response) => {
      const { id } = (await answer.json()) as { id: string };
      return request(`/api/v1/attachments/${id}`, { token: ann.session.accessToken });
    };

    it.each([
      ['a page', script],
      ['a page after a byte order mark', `\ufeff${script}`],
      ['a page after blank lines', `\n\t \r\n${script}`],
      ['a page after a comment', `<!-- --> ${script}`],
      ['a drawing with a script', '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'],
      ['a page in UTF-16', Buffer.from(`\ufeff${script}`, 'utf16le')],
      ['a GIF that is a script', 'GIF89a/*\0\0\0\0*/=alert(1)//'],
      ['a JPEG by its first bytes', Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), Buffer.from(script)])],
      ['a program', Buffer.from('7f454c4602010100', 'hex')],
    ])('is refused: %s', async (_what, content) => {
      expect(await codeIn(await upload(content))).toBe('unsupported_media');
    });

    it('that is a picture and a page is served as a picture', async () => {
      const answer = await served(await upload(Buffer.concat([png, Buffer.from(script)])));
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        'content-type': 'image/png',
        'x-content-type-options': 'nosniff',
        'content-security-policy': expect.stringContaining("default-src 'none'"),
      });
    });

    it('that is text containing a page is served as text, for download', async () => {
      const answer = await served(await upload(`hello ${script}`));
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        'content-type': 'text/plain; charset=utf-8',
        'x-content-type-options': 'nosniff',
        'content-disposition': expect.stringMatching(/^attachment;/),
      });
    });

    it.each([
      [`name="file"; filename*=UTF-8''a%0d%0aX-Evil:%20yes%0d%0a%0d%0a<html>.txt`],
      ['name="file"; filename="a%0D%0AX-Evil: yes.txt"'],
      [String.raw`name="file"; filename="a\r\nX-Evil: yes\".txt"; x=".html"`],
      ['name="file"; filename="a\u2028X-Evil: yes\u0085.txt"'],
      ['name="file"; filename="a\u0000.txt"'],
      [`name="file"; filename*=UTF-8''%FF%FE`],
      ['name="file"; filename="; filename=evil.html"'],
    ])('writes no header by a name: %j', async (disposition) => {
      const answer = await upload('hello', `Content-Disposition: form-data; ${disposition}`);
      expect([201, 400]).toContain(answer.status);
      const { headers } = answer.ok ? await served(answer) : answer;
      expect(headers.get('x-evil')).toBeNull();
      // One quoted and one percent-encoded name; nothing terminates either early.
      expect(headers.get('content-disposition') ?? `attachment; filename="x"; filename*=UTF-8''x`).toMatch(
        /^attachment; filename="[\x20\x21\x23-\x5b\x5d-\x7e]*"; filename\*=UTF-8''[\w.~!%-]*$/,
      );
    });

    it('in parts writes no header by its name', async () => {
      for (const name of [
        'a\r\nX-Evil: yes\r\n\r\n.txt',
        '../../../../tmp/evil.txt',
        '..\\..\\evil.txt',
        '/etc/passwd',
        '"; filename="evil.html',
        'a\u202etxt.html',
      ]) {
        const created = await request('/api/v1/uploads', {
          method: 'POST',
          token: ann.session.accessToken,
          body: 'hello',
          headers: {
            ...uploading.headers,
            'content-type': 'application/offset+octet-stream',
            'upload-metadata': `filename ${Buffer.from(name).toString('base64')}`,
          },
        });
        expect([created.status, created.headers.get('x-evil')]).toEqual([201, null]);
        const id = created.headers.get('location')!.split('/').at(-1)!;
        const { headers } = await request(`/api/v1/attachments/${id}`, { token: ann.session.accessToken });
        expect(headers.get('content-disposition')).toMatch(
          /^attachment; filename="[\x20\x21\x23-\x5b\x5d-\x7e]*"; filename\*=UTF-8''[\w.~!%-]*$/,
        );
        expect(decodeURIComponent(headers.get('content-disposition')!)).not.toMatch(/\.\.|etc\/|[\r\n\u202e]/);
      }
    });
  });
});

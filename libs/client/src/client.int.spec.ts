import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Session } from '@parley/contracts';
import {
  eventually,
  ReverseProxy,
  startEmbedded,
  uniqueName,
  type ReverseProxyOptions,
  type ServiceProcess,
} from '@parley/testing';
import { IDBFactory, IDBKeyRange } from 'fake-indexeddb';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  createClient,
  indexedDbStorage,
  memoryStorage,
  type ClientOptions,
  type ClientStorage,
  type ParleyClient,
} from './index.js';
import { fileStorage } from './node.js';

const PASSWORD = 'correct horse battery';

describe('the client with a real server', { timeout: 120_000 }, () => {
  let folder: string;
  let server: ServiceProcess;
  const clients: ParleyClient[] = [];
  const proxies: ReverseProxy[] = [];
  // With the default rate limits.
  const start = (port?: string) =>
    startEmbedded({
      dataDir: join(folder, 'data'),
      env: { USER_LIMIT_SCALE: '1', ...(port !== undefined && { PORT: port }) },
    });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-client-'));
    server = await start();
  }, 120_000);
  afterEach(() => {
    for (const client of clients.splice(0)) client.disconnect();
    for (const proxy of proxies.splice(0)) proxy.close();
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
  });
  afterAll(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  function client(storage: ClientStorage = memoryStorage(), more: Partial<ClientOptions> = {}): ParleyClient {
    const created = createClient({
      url: server.url,
      ...more,
      storage,
      socketOptions: { reconnectionDelay: 50, reconnectionDelayMax: 200 },
    });
    clients.push(created);
    return created;
  }
  async function person(storage?: ClientStorage, more?: Partial<ClientOptions>): Promise<ParleyClient> {
    const created = client(storage, more);
    await created.register({ username: uniqueName('user'), password: PASSWORD });
    return created;
  }
  /** A proxy in front of the server. */
  async function proxy(options: ReverseProxyOptions): Promise<ReverseProxy> {
    const opened = await ReverseProxy.to(server.url, options);
    proxies.push(opened);
    return opened;
  }
  const idOf = (client: ParleyClient) => client.getState().user!.id;
  const view = (client: ParleyClient, id: string) => client.getState().conversations.get(id);
  const bodies = (client: ParleyClient, id: string) => view(client, id)?.messages.map(({ body }) => body);
  async function pair(): Promise<{ ann: ParleyClient; ben: ParleyClient; id: string }> {
    const [ann, ben] = await Promise.all([person(), person()]);
    const { id } = await ann.createConversation({ kind: 'direct', memberIds: [idOf(ben)] });
    await Promise.all([ann.open(id), ben.open(id)]);
    return { ann, ben, id };
  }

  it('shows how far a sent message has come', async () => {
    const { ann, ben, id } = await pair();
    const { message, stored, clientId } = ann.send(id, { body: 'Hello, Ben' });
    expect(message).toMatchObject({ body: 'Hello, Ben', clientId, local: { state: 'sending' }, status: 'sending' });
    expect(view(ann, id)!.messages).toMatchObject([{ clientId }]);
    expect(await stored).toMatchObject({ seq: 1, clientId });
    await eventually(() =>
      expect(view(ben, id)).toMatchObject({ unread: 1, messages: [{ body: 'Hello, Ben', status: 'sent' }] }),
    );
    await eventually(() => expect(view(ann, id)!.messages).toMatchObject([{ seq: 1, status: 'delivered' }]));
    ben.markRead(id);
    expect(view(ben, id)).toMatchObject({ unread: 0, readSeq: 1 });
    await eventually(() => expect(view(ann, id)!.messages).toMatchObject([{ seq: 1, status: 'read' }]));
    expect(ben.getState().users.get(idOf(ann))).toMatchObject({ id: idOf(ann) });
  });

  it('loads the partners of all direct conversations by one request', async () => {
    const ann = await person();
    const others = await Promise.all(Array.from({ length: 12 }, () => person()));
    // Half of the others start the conversation. Nobody has written yet.
    const ids = await Promise.all(
      others.map((other, n) =>
        (n % 2 ? ann : other)
          .createConversation({ kind: 'direct', memberIds: [idOf(n % 2 ? other : ann)] })
          .then(({ id }) => id),
      ),
    );
    const partnersOf = (client: ParleyClient) =>
      ids.map((id) => client.getState().users.get(view(client, id)?.partnerId ?? '')?.id);
    await eventually(() => expect(partnersOf(ann)).toEqual(others.map(idOf)));
    await eventually(() =>
      expect(others.map((other) => other.getState().users.has(idOf(ann)))).toEqual(others.map(() => true)),
    );
    const device = client();
    const real = globalThis.fetch;
    const paths: string[] = [];
    vi.spyOn(globalThis, 'fetch').mockImplementation((input, init) => {
      paths.push((input as URL).pathname);
      return real(input, init);
    });
    await device.login({ username: ann.getState().user!.username, password: PASSWORD });
    await eventually(() => expect(partnersOf(device)).toEqual(others.map(idOf)));
    expect(paths).toEqual(['/api/v1/auth/login', '/api/v1/users']);
  });

  it('loads shown users again when it wakes or reconnects', async () => {
    const { ann, ben } = await pair();
    const other = client();
    await other.login({ username: ann.getState().user!.username, password: PASSWORD });
    const nameOf = (client: ParleyClient) => client.getState().users.get(idOf(ben))?.displayName;
    await eventually(() =>
      expect([nameOf(ann), nameOf(other)]).toEqual([
        ben.getState().user!.displayName,
        ben.getState().user!.displayName,
      ]),
    );
    other.disconnect();
    await ben.updateProfile({ displayName: 'Benedict' });
    await other.updateProfile({ displayName: 'Anna' });
    ann.wake();
    await eventually(() => expect([nameOf(ann), ann.getState().user!.displayName]).toEqual(['Benedict', 'Anna']));
    expect(nameOf(other)).not.toBe('Benedict');
    other.connect();
    await eventually(() => expect(nameOf(other)).toBe('Benedict'));
  });

  it('stores messages written during an outage once and in order', async () => {
    const { ann, ben, id } = await pair();
    const stored: number[] = [];
    const send = (n: number) => void ann.send(id, { body: `message ${n}` }).stored.then(({ seq }) => stored.push(seq));
    for (let n = 1; n <= 8; n++) send(n);
    await eventually(() => expect(stored.length).toBeGreaterThan(2));
    await server.kill();
    for (let n = 9; n <= 12; n++) send(n);
    await eventually(() =>
      expect(ann.getState()).toMatchObject({ connection: 'offline', pendingCount: 12 - stored.length }),
    );
    const expected = Array.from({ length: 12 }, (_, n) => `message ${n + 1}`);
    expect(bodies(ann, id)).toEqual(expected);
    server = await start(new URL(server.url).port);
    await eventually(() => expect(stored).toEqual(expected.map((_, n) => n + 1)), { timeoutMs: 60_000 });
    await eventually(() => expect(bodies(ben, id)).toEqual(expected), { timeoutMs: 20_000 });
    expect(bodies(ann, id)).toEqual(expected);
    expect(ann.getState().pendingCount).toBe(0);
  });

  it('sends messages written before a restart under the same clientId', async () => {
    const path = join(folder, 'outbox');
    const first = await person(fileStorage(path));
    const { id } = await first.createConversation({ kind: 'group', title: 'Notes' });
    first.disconnect();
    const { clientId } = first.send(id, { body: 'written offline' });
    first.send(id, { body: 'and this' });
    await eventually(async () => expect(await fileStorage(path).entries('outbox/')).toHaveLength(2));

    const second = client(fileStorage(path));
    expect(await second.restore()).toEqual(first.getState().user);
    await eventually(() => expect(second.getState().pendingCount).toBe(0));
    await second.open(id);
    expect(view(second, id)!.messages.slice(-2)).toMatchObject([
      { body: 'written offline', clientId },
      { body: 'and this' },
    ]);
    await eventually(async () => expect(await fileStorage(path).entries('outbox/')).toEqual([]));
  });

  it('shows kept conversations after a restart if `keepConversations` is set', async () => {
    const path = join(folder, 'known');
    const [ben, first] = await Promise.all([person(), person(fileStorage(path), { keepConversations: true })]);
    const { id } = await first.createConversation({ kind: 'direct', memberIds: [idOf(ben)] });
    await ben.send(id, { body: 'hello' }).stored;
    await eventually(() =>
      expect(view(first, id)).toMatchObject({
        unread: 1,
        opened: false,
        messages: [],
        conversation: { lastMessage: { body: 'hello' } },
      }),
    );
    await eventually(() => expect(first.getState().users.has(idOf(ben))).toBe(true));
    await first.flush();
    first.disconnect();

    const second = client(fileStorage(path), { keepConversations: true });
    await second.restore();
    expect(second.getState().connection).not.toBe('online');
    expect(view(second, id)).toMatchObject({
      unread: 1,
      kept: true,
      partnerId: idOf(ben),
      messages: [{ body: 'hello' }],
    });
    expect(second.getState().users.get(idOf(ben))).toEqual(first.getState().users.get(idOf(ben)));
    await second.open(id);
    expect(view(second, id)).toMatchObject({ kept: false, opened: true, messages: [{ body: 'hello' }] });
    await second.logout();
    expect(await fileStorage(path).entries('known/')).toEqual([]);
  });

  it('refreshes an expired access token once for all tabs', async () => {
    const storage = memoryStorage();
    const name = uniqueName('user');
    const first = client(storage);
    await first.register({ username: name, password: PASSWORD });
    first.disconnect();
    const session = (await storage.get('session')) as Session;
    await storage.set('session', { ...session, accessToken: `${session.accessToken}x` });
    const sent: string[] = [];
    const real = globalThis.fetch;
    vi.spyOn(globalThis, 'fetch').mockImplementation((input, init) => {
      if ((input as URL).pathname.endsWith('/auth/refresh')) sent.push(init!.body as string);
      return real(input, init);
    });
    const tabs = [client(storage), client(storage), client(storage)];
    await Promise.all(tabs.map((tab) => tab.restore()));
    const [me] = await Promise.all([
      tabs[0]!.request<{ username: string }>('GET', '/users/me'),
      tabs[1]!.request('GET', '/users/me'),
    ]);
    expect(me.username).toBe(name);
    await eventually(() =>
      expect(tabs.map((tab) => tab.getState().connection)).toEqual(['online', 'online', 'online']),
    );
    expect(sent).toEqual([JSON.stringify({ refreshToken: session.refreshToken })]);
    expect((await storage.get('session')) as Session).toMatchObject({ sessionId: session.sessionId });
  });

  it('refreshes once for tabs that have no Web Locks', async () => {
    vi.stubGlobal('navigator', {});
    vi.stubGlobal('indexedDB', new IDBFactory());
    vi.stubGlobal('IDBKeyRange', IDBKeyRange);
    const tab = () => client(indexedDbStorage('tabs'));
    const first = tab();
    await first.register({ username: uniqueName('user'), password: PASSWORD });
    first.disconnect();
    const stored = indexedDbStorage('tabs');
    const session = (await stored.get('session')) as Session;
    await stored.set('session', { ...session, accessToken: `${session.accessToken}x` });
    const tabs = [tab(), tab(), tab()];
    await Promise.all(tabs.map((one) => one.restore()));
    await Promise.all(tabs.map((one) => one.request('GET', '/users/me')));
    await eventually(() => expect(tabs.map((one) => one.getState().connection)).toEqual(tabs.map(() => 'online')));
    expect((await stored.get('session')) as Session).toMatchObject({ sessionId: session.sessionId });
    expect(await stored.entries('lock/')).toEqual([]);
  });

  it('chats by long polling where WebSockets are refused', async () => {
    const { url } = await proxy({ refusesUpgrades: true });
    const [ann, ben] = [await person(memoryStorage(), { url }), await person()];
    const { id } = await ann.createConversation({ kind: 'direct', memberIds: [idOf(ben)] });
    await Promise.all([ann.open(id), ben.open(id)]);
    await ann.send(id, { body: 'By polling' }).stored;
    await ben.send(id, { body: 'Heard' }).stored;
    await eventually(() => expect(bodies(ann, id)).toEqual(['By polling', 'Heard']));
  });

  it('uploads in parts as small as a proxy lets through', async () => {
    const small = await proxy({ maxBodyBytes: 300_000 });
    const ann = await person(memoryStorage(), { url: small.url });
    const bytes = new Uint8Array(5 * 1024 * 1024).map((_, at) => (at * 31 + (at >> 8)) % 251);
    const uploads = [new Blob([bytes.subarray(0, 1_000_000)]), new Blob([bytes]).stream(), bytes.slice(0, 700_000)];
    for (const upload of uploads) {
      const { id, size } = await ann.upload(upload, { name: 'bytes.bin' });
      const stored = new Uint8Array(await (await ann.fetchAttachment(id)).arrayBuffer());
      expect(stored.length).toBe(size);
      expect(Buffer.compare(stored, bytes.subarray(0, size))).toBe(0);
    }
    // The first upload finds the size, by halves; the others know it.
    expect(small.refusedBodies).toBe(2);
  });

  it('makes a guest a person for all tabs, whichever has the newest tokens', async () => {
    const storage = memoryStorage();
    const [first, second] = [client(storage), client(storage)];
    await first.guest();
    await second.restore();
    await eventually(() => expect(second.getState().connection).toBe('online'));
    // The second tab refreshes the session, which spends the refresh token that the first one knows.
    const session = (await storage.get('session')) as Session;
    await storage.set('session', { ...session, accessToken: `${session.accessToken}x` });
    const third = client(storage);
    await third.restore();
    await third.request('GET', '/users/me');
    const name = uniqueName('person');
    expect(await first.register({ username: name, password: PASSWORD })).toMatchObject({
      id: session.user.id,
      username: name,
      kind: 'person',
    });
    await eventually(() =>
      expect([second, third].map((tab) => tab.getState().user)).toMatchObject(
        [1, 2].map(() => ({ username: name, kind: 'person' })),
      ),
    );
    expect((await third.createConversation({ kind: 'channel', title: 'News' })).kind).toBe('channel');
  });

  it('shows on every device what one changes about its user', async () => {
    const phone = await person();
    const laptop = client();
    await laptop.login({ username: phone.getState().user!.username, password: PASSWORD });
    await eventually(() => expect(laptop.getState().connection).toBe('online'));
    await laptop.updateProfile({ displayName: 'Somebody Else' });
    await eventually(() => expect(phone.getState().user!.displayName).toBe('Somebody Else'));
  });

  it('is signed out when its session is ended elsewhere', async () => {
    const storage = memoryStorage();
    const name = uniqueName('user');
    const phone = client(storage);
    await phone.register({ username: name, password: PASSWORD });
    const { id } = await phone.createConversation({ kind: 'group', title: 'Notes' });
    const revoked = vi.fn<(event: { reason: string }) => void>();
    phone.on('revoked', revoked);
    const laptop = client();
    await laptop.login({ username: name, password: PASSWORD });
    await eventually(() => expect(laptop.getState().order).toEqual([id]));
    await laptop.request('POST', '/auth/password', { body: { current: PASSWORD, next: `${PASSWORD}!` } });
    await eventually(() => expect(revoked).toHaveBeenCalledWith({ reason: 'password' }));
    expect(phone.getState()).toMatchObject({ connection: 'signed-out', order: [] });
    expect(phone.getState().user).toBeUndefined();
    expect(await storage.get('session')).toBeUndefined();
    expect(() => phone.send(id, { body: 'too late' })).toThrow('signed out');
    await expect(phone.restore()).resolves.toBeUndefined();

    await phone.login({ username: name, password: `${PASSWORD}!` });
    phone.disconnect();
    phone.send(id, { body: 'kept' });
    const again = client(storage);
    await again.restore();
    await eventually(async () => {
      await laptop.open(id);
      expect(bodies(laptop, id)).toContain('kept');
    });
  });

  it('shows on one device what happens on another', async () => {
    const { ann, ben, id } = await pair();
    const other = client();
    await other.login({ username: ben.getState().user!.username, password: PASSWORD });
    await eventually(() => expect([...other.getState().conversations.keys()]).toEqual([id]));
    await ann.send(id, { body: 'one' }).stored;
    await ann.send(id, { body: 'two' }).stored;
    await eventually(() =>
      expect(view(other, id)).toMatchObject({
        unread: 2,
        opened: false,
        conversation: { lastMessage: { body: 'two' } },
      }),
    );
    ben.markRead(id);
    await eventually(() => expect(view(other, id)).toMatchObject({ unread: 0, readSeq: 2 }));
    await ben.request('PATCH', `/conversations/${id}/me`, { body: { unreadFrom: 2 } });
    await eventually(() => expect(view(other, id)).toMatchObject({ unread: 1, readSeq: 2 }));
    await ben.send(id, { body: 'three' }).stored;
    await other.open(id);
    expect(bodies(other, id)).toEqual(['one', 'two', 'three']);
    other.markRead(id);
    await eventually(() => expect(view(ben, id)).toMatchObject({ unread: 0, readSeq: 3 }));
  });

  it('keeps its connection when a message is too large for a packet', async () => {
    const { ann, id } = await pair();
    const connection = vi.fn<(event: unknown) => void>();
    ann.on('connection', connection);
    await expect(ann.send(id, { body: 'x'.repeat(70_000) }).stored).rejects.toMatchObject({ code: 'too_large' });
    expect(await ann.send(id, { body: 'fine' }).stored).toMatchObject({ seq: 1 });
    expect(connection).not.toHaveBeenCalled();
  });

  it('marks a refused message as failed without holding up the next one', async () => {
    const { ann, id } = await pair();
    const large = ann.send(id, { body: 'x'.repeat(9_000) });
    const fine = ann.send(id, { body: 'fine' });
    await expect(large.stored).rejects.toMatchObject({ code: 'too_large' });
    expect(await fine.stored).toMatchObject({ seq: 1 });
    expect(view(ann, id)!.messages).toMatchObject([
      { body: 'fine' },
      { status: 'failed', local: { error: { code: 'too_large' } } },
    ]);
    expect(ann.discard(id, large.clientId)).toBe(true);
    expect(bodies(ann, id)).toEqual(['fine']);
  });

  it('sends a refused message again on demand', async () => {
    const { ann, ben, id } = await pair();
    await ben.request('PUT', `/blocks/${idOf(ann)}`);
    const blocked = ann.send(id, { body: 'hello?' });
    await expect(blocked.stored).rejects.toMatchObject({ code: 'blocked' });
    await ben.request('DELETE', `/blocks/${idOf(ann)}`);
    expect(await ann.retry(id, blocked.clientId)).toMatchObject({ seq: 1, body: 'hello?' });
  });

  it('keeps the order when it is rate-limited', async () => {
    const { ann, ben, id } = await pair();
    const sent = Array.from({ length: 75 }, (_, n) => ann.send(id, { body: `${n}` }));
    const stored = await Promise.all(sent.map((message) => message.stored));
    expect(stored.map(({ seq, body }) => [seq, body])).toEqual(Array.from({ length: 75 }, (_, n) => [n + 1, `${n}`]));
    await eventually(() => expect(bodies(ben, id)).toHaveLength(75));
  });

  it('shows edits, deletions, reactions and pins to everybody', async () => {
    const { ann, ben, id } = await pair();
    const { id: messageId } = await ann.send(id, { body: 'hello' }).stored;
    await ann.edit(messageId, 'hello!');
    await ann.pin(messageId);
    await ben.react(messageId, '👍');
    expect(view(ben, id)!.messages).toMatchObject([
      { body: 'hello!', reactions: [{ emoji: '👍', count: 1, mine: true }] },
    ]);
    await eventually(() =>
      expect(view(ann, id)!.messages).toMatchObject([{ body: 'hello!', reactions: [{ emoji: '👍', count: 1 }] }]),
    );
    expect(view(ann, id)!.messages[0]!.pinnedAt).toBeDefined();
    await ben.unreact(messageId, '👍');
    await ann.remove(messageId);
    await eventually(() => expect(view(ben, id)!.messages).toMatchObject([{ body: '', reactions: [] }]));
    expect(view(ben, id)!.messages[0]!.deletedAt).toBeDefined();
    await eventually(() => expect(view(ben, id)!.unread).toBe(0));
  });

  it('loads all parts of a large board', async () => {
    const { ann, ben, id } = await pair();
    const points = Array.from({ length: 2_000 }, (_, n) => 123_456.7 + n);
    for (let n = 0; n < 70; n++) await ann.draw(id, { id: `line ${n}`, color: '#aabbcc', width: 1, points });
    const first = await ben.request<{ complete: boolean }>('GET', `/conversations/${id}/drawing`);
    expect(first.complete).toBe(false);
    const { items, complete } = await ben.drawing(id);
    expect(items.map((line) => line.id)).toEqual(Array.from({ length: 70 }, (_, n) => `line ${n}`));
    expect(complete).toBe(true);
  });

  it('shows that somebody types until their message arrives', async () => {
    const { ann, ben, id } = await pair();
    for (let n = 0; n < 5; n++) ann.typing(id, true);
    await eventually(() => expect(view(ben, id)!.typing).toEqual([idOf(ann)]));
    await ann.send(id, { body: 'done' }).stored;
    await eventually(() => expect(view(ben, id)!.typing).toEqual([]));
  });

  it('shows the presence of a user until the last watch ends', async () => {
    const { ann, ben } = await pair();
    const [unwatchFirst, unwatchSecond] = [ben.watchPresence([idOf(ann)]), ben.watchPresence([idOf(ann)])];
    await eventually(() => expect(ben.getState().presence.get(idOf(ann))).toMatchObject({ state: 'online' }));
    ann.setPresence('busy');
    await eventually(() => expect(ben.getState().presence.get(idOf(ann))).toMatchObject({ state: 'busy' }));
    ben.disconnect();
    expect(ben.getState().presence.size).toBe(0);
    ben.connect();
    await eventually(() => expect(ben.getState().presence.get(idOf(ann))).toMatchObject({ state: 'busy' }));
    unwatchFirst();
    ann.disconnect();
    await eventually(() => expect(ben.getState().presence.get(idOf(ann))).toMatchObject({ state: 'offline' }));
    unwatchSecond();
    await eventually(() => expect(ben.getState().presence.has(idOf(ann))).toBe(false));
  });

  it('runs without the globals that Node 18 or Safari 15.4 lacks', async () => {
    const path = join(folder, 'old-runtime');
    const program = `
      import { createClient } from '${new URL('../dist/index.js', import.meta.url).href}';
      import { fileStorage } from '${new URL('../dist/node.js', import.meta.url).href}';
      const client = createClient({ url: '${server.url}', storage: fileStorage('${path}'), keepConversations: true });
      await client.guest();
      const { id } = await client.createConversation({ kind: 'group', title: 'Old' });
      await client.open(id, { retry: true, signal: new AbortController().signal });
      const { id: attachmentId } = await client.upload(new Blob(['x'.repeat(5_000_000)]), { name: 'a.txt' });
      const { id: messageId } = await client.send(id, { body: 'hello', attachmentIds: [attachmentId] }).stored;
      await client.react(messageId, '👍');
      await client.loadAround(id, 2);
      await client.flush();
      const { messages } = client.getState().conversations.get(id);
      console.log(messages.at(-1).body, messages.at(-1).reactions[0].mine);
      client.disconnect();
    `;
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--import',
      new URL('spec/old-runtime.mjs', import.meta.url).href,
      '--input-type=module',
      '--eval',
      program,
    ]);
    expect(stdout).toBe('hello true\n');
  });

  describe('uploads', () => {
    const part = 4 * 1024 * 1024;
    const longText = (name: string) =>
      new File([new Uint8Array(2 * part + 1000).fill(97)], name, { type: 'text/plain', lastModified: 1 });
    /** Lets `answer` intercept each part; undefined lets the part through. */
    function interceptParts(answer: (part: number) => Promise<Response> | undefined): { readonly parts: number } {
      const real = globalThis.fetch;
      const seen = { parts: 0 };
      vi.spyOn(globalThis, 'fetch').mockImplementation(
        (input, init) => (init?.method === 'PATCH' ? answer(++seen.parts) : undefined) ?? real(input, init),
      );
      return seen;
    }

    it('take a small file in one piece', async () => {
      const { ann, ben, id } = await pair();
      const attachment = await ann.upload(new Blob(['hello']), { name: 'hello.txt' });
      const { message, stored } = ann.send(id, { attachmentIds: [attachment.id], type: 'document' });
      expect(message.attachments).toEqual([attachment]);
      await stored;
      await eventually(() =>
        expect(view(ben, id)!.messages[0]?.attachments).toMatchObject([
          { id: attachment.id, name: 'hello.txt', size: 5 },
        ]),
      );
      expect(await (await ben.fetchAttachment(attachment.id)).text()).toBe('hello');
    });

    it('resume where they stopped when the network fails', async () => {
      const ann = await person();
      const seen = interceptParts((n) => (n === 2 ? Promise.reject(new TypeError('network')) : undefined));
      const progress: number[] = [];
      const attachment = await ann.upload(longText('a.txt'), { onProgress: (sent) => progress.push(sent) });
      expect(attachment).toMatchObject({ name: 'a.txt', size: 2 * part + 1000 });
      expect(progress).toEqual([0, part, 2 * part, 2 * part + 1000]);
      expect(seen.parts).toBe(4);
      expect((await ann.fetchAttachment(attachment)).size).toBe(attachment.size);
    });

    it('resume after a reload when the same file is chosen again', async () => {
      const storage = memoryStorage();
      const before = await person(storage);
      const seen = interceptParts((n) => (n === 2 ? new Promise(() => undefined) : undefined));
      void before.upload(longText('b.txt')).catch(() => undefined);
      await eventually(() => expect(seen.parts).toBe(2));
      const after = client(storage);
      await after.restore();
      const progress: number[] = [];
      expect(await after.upload(longText('b.txt'), { onProgress: (sent) => progress.push(sent) })).toMatchObject({
        name: 'b.txt',
      });
      expect(progress).toEqual([part, 2 * part, 2 * part + 1000]);
    });

    it('that were interrupted leave nothing in the storage after logging out', async () => {
      const storage = memoryStorage();
      const ann = await person(storage);
      const seen = interceptParts(() => new Promise(() => undefined));
      void ann.upload(longText('e.txt')).catch(() => undefined);
      await eventually(() => expect(seen.parts).toBe(1));
      expect(await storage.entries('upload/')).toHaveLength(1);
      await ann.logout();
      expect(await storage.entries('')).toEqual([]);
    });

    it('are deleted at the server when they are cancelled', async () => {
      const ann = await person();
      const cancel = new AbortController();
      let address = '';
      const real = globalThis.fetch;
      vi.spyOn(globalThis, 'fetch').mockImplementation((input, init) => {
        if (init?.method === 'PATCH') {
          address = (input as URL).pathname;
          cancel.abort();
        }
        return real(input, init);
      });
      await expect(ann.upload(longText('c.txt'), { signal: cancel.signal })).rejects.toMatchObject({
        name: 'AbortError',
      });
      await expect(
        ann.request('HEAD', address.replace('/api/v1', ''), { headers: { 'tus-resumable': '1.0.0' } }),
      ).rejects.toMatchObject({ code: 'not_found' });
    });

    it('take streams of unknown length', async () => {
      const ann = await person();
      const chunks = Array.from({ length: 9 }, () => new Uint8Array(700_000).fill(98));
      const stream = new ReadableStream<Uint8Array>({
        pull: (controller) => (chunks.length > 0 ? controller.enqueue(chunks.pop()!) : controller.close()),
      });
      interceptParts((n) => (n === 2 ? Promise.reject(new TypeError('network')) : undefined));
      const attachment = await ann.upload(stream, { name: 'd.txt' });
      expect(attachment).toMatchObject({ name: 'd.txt', size: 6_300_000 });
    });
  });
});

/** A deployment that has chosen other limits: each is told to clients and enforced. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId, type Limits } from '@parley/contracts';
import { ChatClient, codeOf, range, startEmbedded, type ServiceProcess } from '@parley/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const chosen = {
  bodyBytes: 300,
  packetBytes: 128 * 1024,
  attachmentBytes: 2_000,
  uploadBytes: 5_000,
  membersPerGroup: 3,
  pageSize: 120,
  socketsPerUser: 2,
  presenceWatches: 3,
  receiptsToAllUpTo: 2,
} satisfies Partial<Limits>;
const env = {
  LIMIT_BODY_BYTES: String(chosen.bodyBytes),
  LIMIT_PACKET_BYTES: String(chosen.packetBytes),
  LIMIT_ATTACHMENT_BYTES: String(chosen.attachmentBytes),
  LIMIT_UPLOAD_BYTES: String(chosen.uploadBytes),
  LIMIT_MEMBERS_PER_GROUP: String(chosen.membersPerGroup),
  LIMIT_PAGE_SIZE: String(chosen.pageSize),
  LIMIT_SOCKETS_PER_USER: String(chosen.socketsPerUser),
  LIMIT_PRESENCE_WATCHES: String(chosen.presenceWatches),
  LIMIT_RECEIPTS_TO_ALL_UP_TO: String(chosen.receiptsToAllUpTo),
};

describe('limits that a deployment has chosen', { timeout: 120_000 }, () => {
  let folder: string;
  let server: ServiceProcess;
  let ann: ChatClient;
  let group: string;
  let told: Limits;
  const others: ChatClient[] = [];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-limits-'));
    server = await startEmbedded({ dataDir: join(folder, 'data'), env });
    ann = await ChatClient.register(server.url);
    for (let n = 0; n < 4; n++) others.push(await ChatClient.register(server.url));
    ({ limits: told } = await ann.connect());
    const memberIds = others.slice(0, 2).map(({ user }) => user.id);
    const { conversation } = await ann.call('conversation.create', { kind: 'group', visibility: 'public', memberIds });
    group = conversation.id;
  }, 120_000);
  afterAll(async () => {
    for (const client of [ann, ...others]) client.disconnect();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const post = async (path: string, init: RequestInit) => {
    const headers = { authorization: `Bearer ${ann.session.accessToken}`, ...(init.headers as object) };
    const answer = await fetch(`${server.url}${path}`, { method: 'POST', ...init, headers });
    await answer.arrayBuffer();
    return answer;
  };

  it('are told to clients', () => {
    expect(told).toMatchObject(chosen);
  });

  it('are the ones that the API documents show', async () => {
    const openapi = await (await fetch(`${server.url}/api/openapi.json`)).text();
    expect(openapi).toContain(`"maximum":${chosen.pageSize}`);
    expect(openapi).toContain(`"maxItems":${chosen.pageSize}`);
    expect(openapi).toContain(`"maxItems":${chosen.presenceWatches}`);
    const page = await (await fetch(`${server.url}/api/docs`)).text();
    for (const [name, value] of Object.entries(chosen))
      expect(page).toContain(`<tr><td><code>${name}</code></td><td>${value}</td></tr>`);
  });

  it('bound bodies, when they are sent and when they are edited', async () => {
    const { message } = await ann.send(group, 'é'.repeat(chosen.bodyBytes / 2));
    const tooLong = `${message.body}x`;
    expect(await codeOf(ann.send(group, tooLong))).toBe('too_large');
    expect(await codeOf(ann.call('message.edit', { messageId: message.id, body: tooLong }))).toBe('too_large');
    expect(await codeOf(ann.http('message.edit', { messageId: message.id, body: tooLong }))).toBe('too_large');
  });

  it('bound packets and HTTP bodies', async () => {
    const bytes = (size: number) => ({ conversationId: group, clientId: 'c', body: 'x'.repeat(size) });
    const device = ann.device();
    await device.connect();
    expect(await codeOf(device.call('message.send', bytes(chosen.packetBytes - 1_000)))).toBe('too_large');
    expect(device.connected).toBe(true);
    await expect(device.call('message.send', bytes(chosen.packetBytes + 1_000), 3_000)).rejects.toThrow('message:send');
    device.disconnect();
    const statusOf = async (size: number) =>
      (await ann.fetch('POST', '/api/v1/conversations', { unknown: 'x'.repeat(size) })).status;
    expect([await statusOf(chosen.packetBytes - 1_000), await statusOf(chosen.packetBytes + 1_000)]).toEqual([
      400, 413,
    ]);
  });

  it('bound attachments in one piece', async () => {
    const upload = async (size: number) => {
      const body = new FormData();
      body.set('file', new Blob(['x'.repeat(size)]), 'a.txt');
      return (await post('/api/v1/attachments', { body })).status;
    };
    expect([await upload(chosen.attachmentBytes), await upload(chosen.attachmentBytes + 1)]).toEqual([201, 413]);
  });

  it('bound uploads in parts', async () => {
    const create = async (size: number) => {
      const headers = { 'tus-resumable': '1.0.0', 'upload-length': String(size) };
      return (await post('/api/v1/uploads', { headers })).status;
    };
    expect([await create(chosen.uploadBytes), await create(chosen.uploadBytes + 1)]).toEqual([201, 413]);
    const options = await post('/api/v1/uploads', { method: 'OPTIONS' });
    expect(options.headers.get('tus-max-size')).toBe(String(chosen.uploadBytes));
  });

  it('bound the members of a conversation that is created, joined or added to', async () => {
    const memberIds = others.slice(0, 3).map(({ user }) => user.id);
    expect(await codeOf(ann.call('conversation.create', { kind: 'group', memberIds }))).toBe('too_large');
    expect(await codeOf(others[3]!.http('conversation.join', { conversationId: group }))).toBe('too_large');
    expect(await codeOf(ann.http('member.add', { conversationId: group, userId: others[3]!.user.id }))).toBe(
      'too_large',
    );
  });

  it('bound pages and lists of ids', async () => {
    const page = (limit: number) => codeOf(ann.http('conversation.list', { limit }));
    expect([await page(chosen.pageSize), await page(chosen.pageSize + 1)]).toEqual(['answered', 'invalid']);
    const history = (limit: number) => codeOf(ann.call('conversation.history', { conversationId: group, limit }));
    expect([await history(chosen.pageSize), await history(chosen.pageSize + 1)]).toEqual(['answered', 'invalid']);
    const users = (count: number) => codeOf(ann.http('user.list', { ids: range(count).map(() => newId()) }));
    expect([await users(chosen.pageSize), await users(chosen.pageSize + 1)]).toEqual(['answered', 'invalid']);
  });

  it('bound the sockets of a user', async () => {
    const devices = [others[0]!, others[0]!.device(), others[0]!.device()];
    for (const device of devices) await device.connect();
    const { payload } = await devices[0]!.waitFor('session:revoked');
    expect(payload).toEqual({ reason: 'too_many' });
    expect(devices.slice(1).map(({ connected }) => connected)).toEqual([true, true]);
    for (const device of devices) device.disconnect();
  });

  it('bound watches and questions about presence', async () => {
    const watch = (count: number) => codeOf(ann.call('presence.watch', { userIds: range(count).map(() => newId()) }));
    expect([await watch(chosen.presenceWatches), await watch(chosen.presenceWatches + 1)]).toEqual([
      'answered',
      'too_large',
    ]);
    const ask = (count: number) => codeOf(ann.http('presence.get', { userIds: range(count).map(() => newId()) }));
    expect([await ask(chosen.presenceWatches), await ask(chosen.presenceWatches + 1)]).toEqual(['answered', 'invalid']);
  });

  it('have the codes that the protocol says, wherever they are met', async () => {
    const ids = (count: number) => range(count).map(() => newId());
    const { message } = await ann.send(group, 'hello');
    const [conversationId, messageId] = [group, message.id];
    const post = { conversationId, clientId: newId(), body: 'a' };
    const drawn = { id: 'a', color: '#000000', width: 1, points: [0, 0] };
    const over: [string, string, () => Promise<unknown>][] = [
      ['body, sent', 'too_large', () => ann.call('message.send', { ...post, body: 'x'.repeat(chosen.bodyBytes + 1) })],
      ['body, over HTTP', 'too_large', () => ann.http('message.send', { ...post, body: 'x'.repeat(30_000) })],
      ['body, edited', 'too_large', () => ann.call('message.edit', { messageId, body: 'x'.repeat(30_000) })],
      ['members', 'too_large', () => ann.call('conversation.create', { kind: 'group', memberIds: ids(3) })],
      [
        'members of a channel',
        'too_large',
        () => ann.http('conversation.create', { kind: 'channel', memberIds: ids(200) }),
      ],
      ['a member more', 'too_large', () => ann.http('member.add', { conversationId, userId: others[3]!.user.id })],
      ['attachments', 'too_large', () => ann.call('message.send', { ...post, attachmentIds: ids(21) })],
      ['attachments, over HTTP', 'too_large', () => ann.http('message.send', { ...post, attachmentIds: ids(21) })],
      ['watches', 'too_large', () => ann.call('presence.watch', { userIds: ids(chosen.presenceWatches + 1) })],
      ['very many watches', 'too_large', () => ann.call('presence.watch', { userIds: ids(1001) })],
      ['page', 'invalid', () => ann.http('conversation.list', { limit: chosen.pageSize + 1 })],
      ['page of messages', 'invalid', () => ann.call('conversation.open', { conversationId, limit: 501 })],
      ['ids', 'invalid', () => ann.http('user.list', { ids: ids(chosen.pageSize + 1) })],
      ['users whose presence is asked for', 'invalid', () => ann.http('presence.get', { userIds: ids(4) })],
      [
        'a line’s coordinates',
        'invalid',
        () => ann.call('drawing.draw', { conversationId, line: { ...drawn, points: range(2002) } }),
      ],
      // Beside another fault, the code is that of any fault.
      [
        'attachments, one of which is no id',
        'invalid',
        () => ann.call('message.send', { ...post, attachmentIds: [...ids(21), 'x'] }),
      ],
    ];
    const answers = await Promise.all(over.map(async ([what, , call]) => [what, await codeOf(call())]));
    expect(answers).toEqual(over.map(([what, code]) => [what, code]));
    for (let webhook = 0; webhook < 10; webhook++)
      await ann.http('webhook.create', { conversationId, url: 'https://example.org/' });
    expect(await codeOf(ann.http('webhook.create', { conversationId, url: 'https://example.org/' }))).toBe('too_large');
    const emoji = [
      '😀',
      '😁',
      '😂',
      '🤣',
      '😃',
      '😄',
      '😅',
      '😆',
      '😉',
      '😊',
      '😋',
      '😎',
      '😍',
      '😘',
      '🥰',
      '😗',
      '😙',
      '🥲',
      '😚',
      '🙂',
      '🤗',
      '🤩',
      '🤔',
      '🫡',
      '🤨',
      '😐',
      '😑',
      '😶',
      '🫥',
      '🙄',
      '😏',
      '😣',
      '😥',
      '😮',
      '🤐',
      '😯',
      '😪',
      '😫',
      '🥱',
      '😴',
      '😌',
      '😛',
      '😜',
      '😝',
      '🤤',
      '😒',
      '😓',
      '😔',
      '😕',
      '🫤',
      '🙃',
    ];
    expect(emoji).toHaveLength(51);
    const codes = [];
    for (const one of emoji) codes.push(await codeOf(ann.call('reaction.add', { messageId, emoji: one })));
    expect([codes.slice(0, 50).every((code) => code === 'answered'), codes[50]]).toEqual([true, 'too_large']);
  });

  it('decide in which conversations everybody gets receipts', async () => {
    const [ben, cara] = [others[0]!, others[1]!];
    const memberIds = [ben.user.id];
    const { conversation: small } = await ann.call('conversation.create', { kind: 'group', memberIds });
    await cara.connect();
    for (const conversationId of [small.id, group]) {
      const { message } = await ann.send(conversationId, 'hello');
      await ben.http('receipt.read', { conversationId, seq: message.seq });
    }
    const receiptsIn = async (conversationId: string) =>
      (await ann.http('conversation.changes', { conversationId, since: 0 })).receipts.map(({ userId }) => userId);
    expect(await receiptsIn(small.id)).toContain(ben.user.id);
    expect(await receiptsIn(group)).not.toContain(ben.user.id);
    const membersIn = async (conversationId: string) =>
      (await ann.call('conversation.open', { conversationId })).members?.length;
    expect([await membersIn(small.id), await membersIn(group)]).toEqual([2, undefined]);
    // The sender hears of it; that cara does not, only a later event can show.
    await ann.waitFor('receipt:updated', ({ conversationId }) => conversationId === group);
    await ann.send(group, 'the end');
    await cara.waitFor('message:new', ({ message }) => message.body === 'the end');
    expect(cara.events.map(({ name }) => name)).not.toContain('receipt:updated');
  });
});

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChatClient, eventually, launch, startEmbedded } from '@parley/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** Creates two people, a conversation and one message, which a restart must keep. */
async function chat(url: string) {
  const [ann, ben] = await Promise.all([
    ChatClient.register(url, { username: `ann-${Date.now()}` }),
    ChatClient.register(url),
  ]);
  await ann.connect();
  const { conversation } = await ann.call('conversation.create', { kind: 'direct', memberIds: [ben.user.id] });
  const { message } = await ann.send(conversation.id, 'Hello, Ben', 'the first');
  return { ann, ben, conversation, message };
}
const noStack = /\n\s+at /;

// One data folder for all tests, one after another, because the first start in a new folder is slow.
describe('everything in one process', { timeout: 120_000 }, () => {
  let folder: string;
  let dataDir: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-standalone-'));
    dataDir = join(folder, 'data');
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('keeps everything over a restart', async () => {
    const first = await startEmbedded({ dataDir });
    const { ann, ben, conversation, message } = await chat(first.url);
    ann.disconnect();
    first.child.kill('SIGINT');
    expect(await first.exited).toEqual({ code: 0, signal: null });
    expect(first.output).toMatch(/Parley is ready\.[^]*embedded[^]*no RabbitMQ, no Redis[^]*Parley stopped\.\n$/);
    expect(first.output).not.toContain('{"level"');

    const second = await startEmbedded({ dataDir, env: { PORT: new URL(first.url).port } });
    await ben.connect();
    const { items } = await ben.call('conversation.history', { conversationId: conversation.id });
    expect(items).toMatchObject([{ id: message.id, seq: 1, body: 'Hello, Ben' }]);
    ben.disconnect();
    expect((await ChatClient.login(second.url, ann.user.username, 'correct horse battery')).user).toEqual(ann.user);
    expect((await second.stop()).code).toBe(0);
  });

  it('keeps every acknowledged message once when it is killed during sends', async () => {
    const first = await startEmbedded({ dataDir });
    const { ann, conversation } = await chat(first.url);
    const acknowledged = new Map<string, number>();
    const sends = Array.from({ length: 300 }, (_, i) =>
      ann.send(conversation.id, `message ${i}`, `c${i}`).then(
        ({ message }) => {
          acknowledged.set(message.clientId, message.seq);
          if (acknowledged.size === 100) first.child.kill('SIGKILL');
        },
        () => undefined,
      ),
    );
    await first.exited;
    ann.disconnect();
    await Promise.all(sends);
    expect(acknowledged.size).toBeGreaterThanOrEqual(100);

    const second = await startEmbedded({ dataDir, env: { PORT: new URL(first.url).port } });
    await ann.connect();
    const retries = await Promise.all(
      Array.from({ length: 300 }, (_, i) => ann.send(conversation.id, `message ${i}`, `c${i}`)),
    );
    for (const { message, duplicate } of retries) {
      if (!acknowledged.has(message.clientId)) continue;
      expect({ seq: message.seq, duplicate }).toEqual({ seq: acknowledged.get(message.clientId), duplicate: true });
    }
    expect(retries.map(({ message }) => message.seq).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 300 }, (_, i) => i + 2),
    );
    ann.disconnect();
    await second.stop();
  });

  it('has answered every stored message when it is stopped during sends', async () => {
    const first = await startEmbedded({ dataDir });
    const { ann, conversation } = await chat(first.url);
    const made: string[] = [];
    const acknowledged = new Set<string>();
    let running = true;
    const sender = async (name: string) => {
      for (let i = 0; running && i < 500; i++) {
        const clientId = `${name}-${i}`;
        made.push(clientId);
        await ann.send(conversation.id, 'amid', clientId).then(
          () => acknowledged.add(clientId).size === 100 && first.child.kill('SIGTERM'),
          () => (running = false),
        );
      }
    };
    await Promise.all(Array.from({ length: 40 }, (_, n) => sender(`s${n}`)));
    expect((await first.exited).code).toBe(0);
    ann.disconnect();
    expect(acknowledged.size).toBeGreaterThanOrEqual(100);

    const second = await startEmbedded({ dataDir, env: { PORT: new URL(first.url).port } });
    await ann.connect();
    const retries = await Promise.all(made.map((clientId) => ann.send(conversation.id, 'amid', clientId)));
    expect(retries.filter(({ duplicate, message }) => duplicate && !acknowledged.has(message.clientId))).toEqual([]);
    ann.disconnect();
    await second.stop();
  });

  it('serves files, bots and webhooks as a cluster does', async () => {
    const first = await startEmbedded({ dataDir, env: { WEBHOOKS_ALLOW_PRIVATE: 'true' } });
    const register = async (username: string) => {
      const answer = await fetch(`${first.url}/api/v1/auth/register`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ username, password: 'correct horse battery' }),
      });
      return ((await answer.json()) as { accessToken: string }).accessToken;
    };
    const [annsToken, bensToken] = await Promise.all([register(`a${Date.now()}`), register(`b${Date.now()}`)]);
    const http = (token: string, path: string, init: RequestInit = {}) =>
      fetch(`${first.url}/api/v1${path}`, {
        ...init,
        headers: {
          authorization: `Bearer ${token}`,
          ...(typeof init.body === 'string' && { 'content-type': 'application/json' }),
        },
      });
    const post = async <T>(token: string, path: string, body: unknown) =>
      (await http(token, path, { method: 'POST', body: JSON.stringify(body) })).json() as Promise<T>;
    const form = new FormData();
    form.append('file', new Blob(['hello']), 'hello.txt');
    const attachment = (await (await http(annsToken, '/attachments', { method: 'POST', body: form })).json()) as {
      id: string;
    };
    expect(attachment).toMatchObject({ name: 'hello.txt', mediaType: 'text/plain; charset=utf-8', size: 5 });
    expect(await (await http(annsToken, `/attachments/${attachment.id}`)).text()).toBe('hello');
    expect((await http(bensToken, `/attachments/${attachment.id}`)).status).toBe(404);
    expect(await readFile(join(dataDir, 'files', attachment.id.slice(-2), attachment.id), 'utf8')).toBe('hello');
    expect(
      (await http(annsToken, '/users/me', { method: 'PATCH', body: JSON.stringify({ avatarId: attachment.id }) }))
        .status,
    ).toBe(415);

    const bot = await post<{ user: { id: string }; token: string }>(annsToken, '/bots', {
      username: `bot-${Date.now()}`,
    });
    const heard: string[] = [];
    const receiver = createServer(
      (request, response) => (heard.push(String(request.headers['parley-event'])), response.end()),
    );
    await new Promise<void>((resolve) => void receiver.listen(0, '127.0.0.1', resolve));
    const { id: conversationId } = await post<{ id: string }>(annsToken, '/conversations', {
      kind: 'group',
      memberIds: [bot.user.id],
    });
    await post(annsToken, `/conversations/${conversationId}/webhooks`, {
      url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`,
    });
    const sent = await post<{ message: { senderId: string } }>(bot.token, `/conversations/${conversationId}/messages`, {
      clientId: 'one',
      body: 'beep',
    });
    expect(sent.message.senderId).toBe(bot.user.id);
    await eventually(() => expect(heard).toEqual(['message.created']));
    expect((await http(annsToken, `/bots/${bot.user.id}`, { method: 'DELETE' })).status).toBe(204);
    await eventually(async () => expect((await http(bot.token, '/users/me')).status).toBe(401), { timeoutMs: 5_000 });
    receiver.close();
    receiver.closeAllConnections();
    await first.stop();
  });

  it('refuses a folder that it cannot use in one line', async () => {
    const file = join(folder, 'a-file');
    await writeFile(file, 'somebody’s');
    const owner = await startEmbedded({ dataDir });
    for (const [DATA_DIR, message] of [
      [join(file, 'data'), 'cannot be written'],
      [folder, "not Parley’s|not Parley's"],
      [dataDir, 'in use by process'],
    ] as const) {
      const program = await launch('standalone', { DATA_DIR });
      expect((await program.exited).code).toBe(1);
      expect(program.output).toMatch(new RegExp(`^parley: .*(${message}).*\n$`));
      expect(program.output).not.toMatch(noStack);
    }
    await owner.ready();
    await owner.stop();
  });
});

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  ensureCommands,
  ensurePython,
  eventually,
  startEmbedded,
  TcpProxy,
  uniqueName,
  type ServiceProcess,
} from '@parley/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createClient, memoryStorage, type ParleyClient } from './index.js';

const examples = fileURLToPath(new URL('../../../examples/', import.meta.url));

describe('the examples', { timeout: 120_000 }, () => {
  let folder: string;
  let server: ServiceProcess;
  let person: ParleyClient;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-examples-'));
    server = await startEmbedded({ dataDir: join(folder, 'data') });
    person = createClient({ url: server.url, storage: memoryStorage() });
    await person.register({ username: uniqueName('ann'), password: 'correct horse battery' });
  }, 180_000);
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });
  afterAll(async () => {
    person?.disconnect();
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  function run(
    script: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    interpreter = process.execPath,
  ) {
    const child = spawn(interpreter, [join(examples, script), ...args], {
      cwd: folder,
      env: { PATH: process.env['PATH'] ?? '', HOME: folder, ...env },
    });
    children.push(child);
    const result = { output: '', code: undefined as number | null | undefined, child };
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (result.output += chunk.toString()));
    child.once('close', (code) => (result.code = code));
    return result;
  }

  it('socket-io.mjs: two guests chat', async () => {
    const example = run('socket-io.mjs', [server.url]);
    await eventually(() => expect(example.code).toBe(0), { timeoutMs: 30_000 });
    expect(example.output).toBe('stored as #1\nBen hears: Hello, Ben\n');
  });

  it('bot.mjs: the bot answers', async () => {
    const { user, token } = await person.request<{ user: { id: string; username: string }; token: string }>(
      'POST',
      '/bots',
      { body: { username: uniqueName('echo') } },
    );
    const { id } = await person.createConversation({ kind: 'group', title: 'Echo', memberIds: [user.id] });
    await person.open(id);
    const bodies = () =>
      person
        .getState()
        .conversations.get(id)!
        .messages.filter(({ senderId }) => senderId === user.id)
        .map(({ body }) => body);
    const bot = run('bot.mjs', [server.url], { PARLEY_BOT_TOKEN: token, PARLEY_BOT_FOLDER: join(folder, 'bot') });
    await eventually(() => expect(bot.output).toContain(`I am ${user.username}`), { timeoutMs: 30_000 });
    await eventually(() => expect(bot.output).toContain('online'), { timeoutMs: 30_000 });
    person.send(id, { body: '!echo hello' });
    await eventually(() => expect(bodies()).toEqual(['hello']), { timeoutMs: 30_000 });
    bot.child.kill('SIGTERM');
    await eventually(() => expect(bot.code).toBe(0), { timeoutMs: 30_000 });
  });

  it('http/chat.sh: two guests chat by curl', async () => {
    await ensureCommands('curl', 'jq');
    const example = run('http/chat.sh', [server.url], {}, 'sh');
    await eventually(() => expect(example.code).toBe(0), { timeoutMs: 30_000 });
    expect(example.output).toBe('stored as #1\nsent again: #1 true\nBen reads #1: Hello, Ben\n0 messages since\n');
  });

  it('http/chat.py: two guests chat by Python’s standard library', async () => {
    const example = run('http/chat.py', [server.url], {}, await ensurePython(['urllib.request'], ['python3-minimal']));
    await eventually(() => expect(example.code).toBe(0), { timeoutMs: 30_000 });
    expect(example.output).toBe(
      'stored as #1, sent again: True\nstored as #2, sent again: True\nBen reads #1: Hello, Ben\nBen reads #2: Are you there?\n0 messages since\n',
    );
  });

  it('python/chat.py: sends, receives, and prints once what it missed while it was cut off', async () => {
    const python = await ensurePython(['socketio', 'websocket'], ['python3-socketio', 'python3-websocket']);
    const proxy = await TcpProxy.to(server.url);
    try {
      const title = uniqueName('Lobby');
      const { id } = await person.createConversation({ kind: 'group', visibility: 'public', title });
      await person.open(id);
      const example = run('python/chat.py', [proxy.url(server.url), title], {}, python);
      const lines = () => example.output.split('\n').filter(Boolean);
      await eventually(() => expect(lines()).toEqual([`in ${title}`]), { timeoutMs: 30_000 });
      const send = async (body: string) => (await person.send(id, { body }).stored).seq;
      const first = await send('Hello, Python');
      await eventually(() => expect(lines()).toEqual([`in ${title}`, `#${first} Hello, Python`]));

      proxy.refuse();
      await eventually(() => expect(proxy.connections).toBe(0));
      const missed = [await send('While you were away'), await send('You missed this too')];
      proxy.heal();
      const after = [...lines(), `#${missed[0]} While you were away`, `#${missed[1]} You missed this too`];
      await eventually(() => expect(lines()).toEqual(after), { timeoutMs: 60_000 });

      example.child.stdin.end('Hello from Python\n');
      await eventually(() => expect(example.code).toBe(0), { timeoutMs: 30_000 });
      const { messages } = person.getState().conversations.get(id)!;
      expect(messages.filter(({ body }) => body === 'Hello from Python')).toHaveLength(1);
      expect(lines().filter((line) => line === `stored as #${messages.at(-1)!.seq}`)).toHaveLength(1);
      expect(new Set(lines()).size).toBe(lines().length);
    } finally {
      await proxy.close();
    }
  });

  it('serve.mjs and page.html: serves the page and the one file that it imports', async () => {
    const example = run('serve.mjs', ['0']);
    await eventually(() => expect(example.output).toMatch(/^http:\/\/localhost:\d+\/$/m), { timeoutMs: 60_000 });
    const address = /^http:\/\/localhost:\d+\/$/m.exec(example.output)![0].replace('localhost', '127.0.0.1');
    const page = await (await fetch(address)).text();
    expect(page).toContain("import { createClient } from './parley-client.js'");
    const bundle = await fetch(new URL('parley-client.js', address));
    expect(bundle.headers.get('content-type')).toBe('text/javascript');
    const code = await bundle.text();
    // The bundle is complete.
    expect(code).not.toMatch(/^import\s|from\s*["'](?!\.)/m);
    const { createClient: create } = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as {
      createClient: typeof createClient;
    };
    const guest = create({ url: server.url, storage: memoryStorage() });
    await guest.guest();
    await eventually(() => expect(guest.getState().connection).toBe('online'));
    guest.disconnect();
  });
});

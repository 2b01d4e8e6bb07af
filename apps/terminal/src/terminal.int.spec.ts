import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawn as spawnPty, type IPty } from '@lydell/node-pty';
import type { Message } from '@parley/client';
import { ChatClient, eventually, launch, uniqueName, type ServiceProcess } from '@parley/testing';
import xterm from '@xterm/headless';
import { afterAll, beforeAll, expect, it } from 'vitest';

const program = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const password = 'correct horse battery';
/** What the server accepts. It refuses control characters and direction overrides; `printable.spec.ts` shows that they would not pass either. */
const hostile = 'red \u202balert\u2069 \u{e0041}done';
const shown = 'red alert done';
const longTimeout = { timeoutMs: 40_000 };

let home: string;
let server: ServiceProcess | undefined;
let url: string;
/** Waits long for the server: a busy machine is no failure. */
const startServer = async (env: Readonly<Record<string, string>> = {}) => {
  server = await launch('standalone', {
    DATA_DIR: join(home, 'data'),
    ADDRESS_LIMIT_SCALE: '10000',
    USER_LIMIT_SCALE: '10000',
    ...env,
  });
  ({ url } = await server.ready(150_000));
};
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'parley-terminal-'));
  await startServer();
}, 180_000);
afterAll(async () => {
  await server?.stop();
  await rm(home, { recursive: true, force: true });
});

const environment = (more: Readonly<Record<string, string>> = {}) => ({
  PATH: process.env['PATH'] ?? '',
  HOME: home,
  XDG_STATE_HOME: join(home, 'state'),
  INIT_CWD: home,
  NODE_ENV: 'production',
  ...more,
});

interface Run {
  readonly code: number | null;
  readonly output: string;
  readonly problems: string;
}

/** Runs the program on pipes. Without `input` they stay open until `stop`. */
function start(args: readonly string[], input?: string) {
  const child = spawn(process.execPath, [program, '--url', url, ...args], {
    env: environment({ PARLEY_PASSWORD: password }),
    stdio: 'pipe',
  });
  const run = { output: '', problems: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (run.output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (run.problems += text));
  child.stdin.on('error', () => undefined);
  if (input !== undefined) child.stdin.end(input);
  const ended = new Promise<Run>((resolve, reject) =>
    child.once('error', reject).once('close', (code) => resolve({ code, ...run })),
  );
  return { run, ended, stop: () => child.kill('SIGINT') };
}

const lines = (args: readonly string[], input = ''): Promise<Run> => start(args, input).ended;

/** A public group of a new user. */
async function group(title = uniqueName('group')) {
  const ann = await ChatClient.register(url, { username: uniqueName('ann'), displayName: 'Ann' });
  await ann.connect();
  const { conversation } = await ann.call('conversation.create', { kind: 'group', title, visibility: 'public' });
  const bodies = async () =>
    (await ann.call('conversation.history', { conversationId: conversation.id, limit: 100 })).items
      .filter(({ type }: Message) => type !== 'system')
      .map(({ body }: Message) => body);
  return { ann, conversation, title, bodies };
}

/** The program in a real terminal, with the screen as the user sees it. */
class Screen {
  private readonly terminal: InstanceType<typeof xterm.Terminal>;
  private readonly pty: IPty;
  raw = '';
  readonly ended: Promise<number>;

  constructor(args: readonly string[], cols = 100, rows = 20) {
    this.terminal = new xterm.Terminal({ cols, rows, allowProposedApi: true });
    this.pty = spawnPty(process.execPath, [program, '--url', url, ...args], {
      cols,
      rows,
      env: environment({ TERM: 'xterm-256color' }),
    });
    this.pty.onData((data) => {
      this.raw += data;
      this.terminal.write(data);
    });
    this.ended = new Promise((resolve) => this.pty.onExit(({ exitCode }) => resolve(exitCode)));
  }

  get text(): string {
    const { active } = this.terminal.buffer;
    return Array.from(
      { length: this.terminal.rows },
      (_, row) => active.getLine(active.viewportY + row)?.translateToString(true) ?? '',
    ).join('\n');
  }

  get isAlternateBuffer(): boolean {
    return this.terminal.buffer.active.type === 'alternate';
  }

  press(keys: string): void {
    this.pty.write(keys);
  }

  resize(cols: number, rows: number): void {
    this.terminal.resize(cols, rows);
    this.pty.resize(cols, rows);
  }

  waitFor(what: string | RegExp): Promise<unknown> {
    return eventually(() => {
      if (!(typeof what === 'string' ? this.text.includes(what) : what.test(this.text)))
        throw new Error(`the screen does not show ${what}:\n${this.text}`);
    }, longTimeout);
  }

  kill(): void {
    this.pty.kill('SIGKILL');
  }
}

it('piped lines are stored in order', async () => {
  const { ann, title, bodies } = await group();
  const texts = Array.from({ length: 50 }, (_, n) => `line ${n}`);
  expect(await lines(['--guest', 'Bob', '--commands'], `/join ${title}\n`)).toMatchObject({ code: 0 });
  expect(await lines(['--guest', 'Bob', '--to', title, '--plain'], `${texts.join('\n')}\n/not a command\n`)).toEqual({
    code: 0,
    output: '',
    problems: '',
  });
  expect(await bodies()).toEqual([...texts, '/not a command']);

  const partly = await lines(['--guest', 'Bob', '--to', title, '--json'], `good\n${'x'.repeat(9000)}\nas good\n`);
  expect(partly).toMatchObject({ code: 1, problems: expect.stringMatching(/^line 2: too_large/) as string });
  expect(
    partly.output
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { message: Message }).message.body),
  ).toEqual(['good', 'as good']);
  expect(await bodies()).toEqual([...texts, '/not a command', 'good', 'as good']);
  expect(await lines(['--guest', 'Bob', '--to', 'nowhere at all'], 'x\n')).toMatchObject({
    code: 2,
    problems: expect.stringContaining('no conversation nowhere at all') as string,
  });
  ann.disconnect();
});

it('every line is carried out as a command or sent as a message', async () => {
  const ben = await ChatClient.register(url, { username: uniqueName('ben'), displayName: 'Ben' });
  await ben.connect();
  await writeFile(join(home, 'notes.txt'), 'remember the milk');
  const name = uniqueName('cleo');
  const result = await lines(
    ['--user', name, '--register', '--commands'],
    [
      `/new group Tea party with @${ben.user.username}`,
      'first',
      '/edit first of all',
      '/reply #2 an answer',
      '/react #2 👍',
      '/upload notes.txt have a look',
      '/save #4',
      'gone soon',
      '/delete',
      '/members',
      '/new group Den',
      '/list',
      '/nonsense',
    ].join('\n'),
  );
  expect(result).toMatchObject({
    code: 1,
    problems: expect.stringMatching(/saved .*notes 2\.txt[^]*there is no command \/nonsense/) as string,
  });
  for (const line of [
    `${name}  creator  online`,
    'Ben  member  online',
    'Tea party  group, 2 members',
    'Den  group, 1 member ',
  ])
    expect(result.output).toContain(line);
  expect(await readFile(join(home, 'notes 2.txt'), 'utf8')).toBe('remember the milk');
  expect(await lines(['--user', name, '--commands'], '/list')).toMatchObject({
    code: 0,
    output: expect.stringContaining('Tea party  group, 2 members') as string,
  });
  const {
    items: [tea],
  } = await ben.http('conversation.list', {});
  const { items } = await ben.call('conversation.history', { conversationId: tea!.id });
  expect(items.slice(1)).toMatchObject([
    { seq: 2, body: 'first of all', reactions: [{ emoji: '👍', count: 1 }] },
    { seq: 3, body: 'an answer', replyTo: items[1]!.id },
    { seq: 4, body: 'have a look', attachments: [{ name: 'notes.txt' }] },
    { seq: 5, body: '', deletedAt: expect.any(String) as string },
  ]);
  ben.disconnect();
});

it('commands moderate a conversation', async () => {
  const ben = await ChatClient.register(url, { username: uniqueName('ben'), displayName: 'Ben' });
  const [name, user] = [uniqueName('cleo'), ben.user.username];
  const run = (...commands: string[]): Promise<Run> =>
    lines(['--user', name, '--commands', '--register'], commands.join('\n'));
  const result = await run(
    `/new group Tea party with @${user}`,
    '/rename Coffee party',
    '/topic Beans',
    `/role ${user} admin`,
    '/members',
    `/role ${user} member`,
    `/mute ${user} 2h`,
    '/members',
    `/unmute ${user}`,
    `/ban ${user}`,
    '/members',
    `/unban ${user}`,
    `/invite ${user}`,
    `/role ${user} creator`,
    '/members',
    `/mute ${user} soon`,
  );
  expect(result.problems).toContain('soon is no time: write 30m, 2h or 7d');
  expect(result.output.split('\n').filter((line) => line.includes('Ben '))).toEqual([
    'Ben  admin  offline',
    expect.stringMatching(/^Ben  member, muted until \d{4}-\d\d-\d\dT\d\d:\d\dZ  offline$/),
    'Ben  member, banned',
    'Ben  creator  offline',
  ]);
  const { items } = await ben.http('conversation.list', {});
  expect(items).toMatchObject([{ title: 'Coffee party', topic: 'Beans', me: { role: 'creator' } }]);
});

it('commands keep contacts and blocks', async () => {
  const ben = await ChatClient.register(url, { username: uniqueName('ben'), displayName: 'Ben' });
  const { username } = ben.user;
  const [name, entry] = [uniqueName('cleo'), `Ben  @${ben.user.username}  person`];
  const result = await lines(
    ['--user', name, '--register', '--commands'],
    [
      `/contact ${username}`,
      `/block ${username}`,
      '/contacts',
      '/blocks',
      `/uncontact ${username}`,
      `/unblock ${username}`,
      '/contacts',
      '/blocks',
    ].join('\n'),
  );
  expect(result).toMatchObject({ code: 0, problems: expect.stringContaining('Ben is not blocked') as string });
  expect(result.output.split('\n').filter((line) => line.includes(entry))).toHaveLength(2);
});

it('messages of others cannot control the terminal', async () => {
  const { ann, conversation, title } = await group();
  await lines(['--guest', 'Cat', '--commands'], `/join ${title}\n`);
  await ann.send(conversation.id, hostile);
  const form = new FormData();
  form.append('file', new Blob(['x']), '../../.ssh\\..\\keys.txt');
  const attachment = (await (
    await fetch(`${url}/api/v1/attachments`, {
      method: 'POST',
      body: form,
      headers: { authorization: `Bearer ${ann.session.accessToken}` },
    })
  ).json()) as { id: string };
  await ann.call('message.send', {
    conversationId: conversation.id,
    clientId: uniqueName('m'),
    type: 'document',
    attachmentIds: [attachment.id],
  });
  const followed = async (...args: string[]) => {
    const follower = start(['--guest', 'Cat', '--to', title, '--follow', '--history', '10', ...args]);
    await eventually(() => expect(follower.run.output).toContain('keys.txt'), longTimeout);
    follower.stop();
    const { code, output } = await follower.ended;
    expect(code).toBe(0);
    expect(output).not.toMatch(/[^\n\u0020-\u007e\u00a0-\u2029\u202f-\u{10ffff}]/u);
    return output;
  };
  expect(await followed()).toContain(`Ann: ${shown}\n`);
  expect((JSON.parse((await followed('--json')).split('\n')[2]!) as { message: Message }).message.body).toBe(hostile);
  const folder = join(home, 'saved');
  await mkdir(folder);
  expect(await lines(['--guest', 'Cat', '--to', title, '--commands'], `/save ${folder}\n`)).toMatchObject({ code: 0 });
  expect(await readdir(folder)).toEqual(['keys.txt']);
  ann.disconnect();
});

it('only the owner may read the session’s files', async () => {
  const { ann, conversation } = await group();
  const state = join(home, 'state', 'parley');
  await lines(['--guest', 'Dan', '--to', conversation.id], '');
  const paths = (await readdir(state, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  expect(paths.some((path) => path.endsWith('session.json'))).toBe(true);
  for (const path of paths) expect((await stat(path)).mode & 0o077, path).toBe(0);
  ann.disconnect();
});

it('the last session is continued without a password', async () => {
  const { ann, conversation, bodies } = await group();
  await lines(['--guest', 'Eli', '--to', conversation.id], '');
  await lines(['--commands'], `/join ${conversation.id}\nwithout saying who\n`);
  expect(await bodies()).toEqual(['without saying who']);
  ann.disconnect();
});

it('a session can be forgotten', async () => {
  const { ann, conversation } = await group();
  const state = join(home, 'state', 'parley');
  await lines(['--guest', 'Dan', '--to', conversation.id], '');
  expect(await lines(['--guest', 'Dan', '--forget'])).toMatchObject({ code: 0 });
  expect((await readdir(state, { recursive: true })).filter((name) => name.includes('Dan'))).toEqual([]);
  expect(await lines(['--to', conversation.id], 'x\n')).toMatchObject({
    code: 2,
    problems: expect.stringContaining('who are you?') as string,
  });
  ann.disconnect();
});

it('the screen follows a conversation through a restart of the server', async () => {
  const { ann, conversation, title, bodies } = await group();
  const eve = await ChatClient.register(url, { username: uniqueName('eve'), displayName: 'Eve' });
  await ann.http('member.add', { conversationId: conversation.id, userId: eve.user.id });
  for (let n = 0; n < 120; n++) await ann.send(conversation.id, `tale ${n}`);
  await ann.send(conversation.id, hostile);

  const screen = new Screen(['--user', eve.user.username]);
  try {
    await screen.waitFor('Password of');
    screen.press(`${password}\r`);
    await screen.waitFor(`Ann: ${shown}`);
    expect(screen.raw).not.toContain(password);
    expect(screen.raw).not.toMatch(/[\u202b\u2069]/);
    await screen.waitFor(/public group, 2 members, 2 here/);
    expect(screen.text).not.toContain('tale 5\n');
    await eventually(
      () => {
        screen.press('\x1b[5~');
        expect(screen.text).toMatch(/This is where it begins[^]*Ann: tale 0\n/);
      },
      { ...longTimeout, intervalMs: 100 },
    );
    screen.press('\x1b');
    await screen.waitFor(`Ann: ${shown}`);

    await ann.call('typing', { conversationId: conversation.id, active: true });
    await screen.waitFor('Ann types');
    screen.press('hello from Eve\r');
    const { payload } = await ann.waitFor('message:new', ({ message }) => message.body === 'hello from Eve', 40_000);
    await ann.call('receipt.read', { conversationId: conversation.id, seq: payload.message.seq });
    await screen.waitFor(/✓✓ +Eve: hello from Eve/);
    await eventually(async () => expect((await eve.http('unread.list', {})).total).toBe(0), longTimeout);

    ann.disconnect();
    await server?.stop();
    await screen.waitFor('offline');
    screen.press('while you were out\r');
    await screen.waitFor(/… +Eve: while you were out[^]*1 waiting/);
    const kept = await lines(
      ['--user', eve.user.username, '--to', conversation.id, '--timeout', '1'],
      'kept on the disk\n',
    );
    expect(kept).toMatchObject({ code: 1, problems: expect.stringContaining('1 not stored yet') as string });
    const second = new Screen(['--user', eve.user.username]);
    try {
      await second.waitFor('offline, trying again');
      await second.waitFor(/✓✓ +Eve: hello from Eve/);
    } finally {
      second.kill();
    }
    await startServer({ PORT: new URL(url).port });
    await screen.waitFor(/✓ +Eve: while you were out/);
    expect(await lines(['--user', eve.user.username, '--to', title], 'after that\n')).toMatchObject({ code: 0 });
    await ann.connect();
    await eventually(
      async () =>
        expect((await bodies()).toSorted()).toEqual(
          expect.arrayContaining(['after that', 'kept on the disk', 'while you were out']),
        ),
      longTimeout,
    );
    expect((await bodies()).filter((body) => body === 'while you were out')).toHaveLength(1);

    screen.resize(50, 12);
    await screen.waitFor(/^ \S+ .*\n(?:.*\n){10} ● online/);
    await screen.waitFor('after that');
    screen.press('/he\t\r');
    await screen.waitFor(/Help[^]*\/help/);
    expect(screen.isAlternateBuffer).toBe(true);
    screen.press('\x03');
    expect(await screen.ended).toBe(0);
    await eventually(() => expect(screen.isAlternateBuffer).toBe(false));
    expect(screen.raw.lastIndexOf('\x1b[?25h')).toBeGreaterThan(screen.raw.lastIndexOf('\x1b[?25l'));
  } finally {
    screen.kill();
    ann.disconnect();
  }
}, 180_000);

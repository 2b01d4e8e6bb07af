import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { ChatClient, eventually, startEmbedded, type ServiceProcess } from '@parley/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const program = join(import.meta.dirname, '../../dist/main.js');
const admin = (...args: string[]): Promise<{ code: number; out: string; err: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { env: { PATH: process.env['PATH'] ?? '' } }, (error, out, err) =>
      resolve({ code: error ? Number(error.code) : 0, out, err }),
    );
  });

describe.skipIf(process.platform === 'win32')('the data folder of a running process', { timeout: 180_000 }, () => {
  let folder: string;
  let dataDir: string;
  let server: ServiceProcess;
  let ann: ChatClient;
  let conversationId: string;
  const socket = () => join(dataDir, 'admin.sock');
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-running-'));
    // Longer than the path of a socket may be.
    dataDir = process.platform === 'linux' ? join(folder, 'd'.repeat(100)) : join(folder, 'data');
    server = await startEmbedded({ dataDir });
    ann = await ChatClient.register(server.url, { username: 'ann' });
    await ann.connect();
    ({
      conversation: { id: conversationId },
    } = await ann.call('conversation.create', { kind: 'group', title: 'busy', memberIds: [] }));
    await ann.send(conversationId, 'the first', 'first');
  }, 120_000);
  afterAll(async () => {
    ann?.disconnect();
    await server?.kill();
    await rm(folder, { recursive: true, force: true });
  });

  it('lists users and conversations', async () => {
    expect(await admin('users', '--data-dir', dataDir)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^\S+  person +ann /),
    });
    expect(await admin('conversations', '--user', 'ann', '--data-dir', dataDir)).toMatchObject({
      code: 0,
      out: expect.stringMatching(new RegExp(`^${conversationId} .*busy\n$`)),
    });
  });

  it('is reached by its user alone', async () => {
    expect((await stat(socket())).mode & 0o777).toBe(0o600);
    expect((await stat(dataDir)).mode & 0o777).toBe(0o700);
  });

  it('ends sessions', async () => {
    const other = await ChatClient.register(server.url, { username: 'ben' });
    await other.connect();
    expect(await admin('sessions', 'revoke', '--user', 'ben', '--data-dir', dataDir)).toMatchObject({
      code: 0,
      out: '1 session of ben ended\n',
    });
    await eventually(() => expect(other.connected).toBe(false));
    expect((await other.fetch('GET', '/api/v1/users/me')).status).toBe(401);
  });

  it('is backed up at one moment while messages are stored, and restored', async () => {
    const [backupDir, restored] = [join(folder, 'backup'), join(folder, 'restored')];
    let running = true;
    let acknowledged = 0;
    const sender = async (name: string) => {
      for (let n = 0; running; n++) {
        await ann.send(conversationId, `message ${n}`, `${name}-${n}`);
        acknowledged += 1;
      }
    };
    const sending = Promise.all(['a', 'b', 'c'].map(sender));
    await eventually(() => acknowledged > 20);
    const before = acknowledged;
    const result = await admin('backup', '--to', backupDir, '--data-dir', dataDir);
    const after = acknowledged;
    running = false;
    await sending;
    expect(result).toMatchObject({ code: 0, err: '' });
    expect(after).toBeGreaterThan(before);
    expect((await admin('restore', '--from', backupDir, '--data-dir', restored)).code).toBe(0);
    expect(await admin('reconcile', 'unread', '--data-dir', restored)).toMatchObject({ code: 0 });
    const { out } = await admin('export', 'conversation', '--id', conversationId, '--data-dir', restored);
    const exported = out.trim().split('\n').length - 1;
    expect(exported).toBeGreaterThanOrEqual(before + 1);
    expect(exported).toBeLessThanOrEqual(after + 4);
    // The copy is gone.
    expect((await readdir(folder)).toSorted()).toEqual(['backup', 'd'.repeat(100), 'restored'].toSorted());
  });

  it('is exported and checked', async () => {
    const { code, out } = await admin('export', 'conversation', '--id', conversationId, '--data-dir', dataDir);
    expect({ code, first: out.split('\n')[1] }).toEqual({
      code: 0,
      first: expect.stringContaining('"kind" : "message"'),
    });
    expect((await admin('reconcile', 'unread', '--data-dir', dataDir)).code).toBe(0);
  });

  it('has no backup inside, through whatever links and folders it is named', async () => {
    const link = join(folder, 'link');
    await mkdir(join(dataDir, 'files'), { recursive: true });
    await symlink(join(dataDir, 'files'), link);
    const before = (await readdir(dataDir)).toSorted();
    const inside = [
      join(dataDir, 'new'),
      join(dataDir, 'files', 'new'),
      `${dataDir}/../${basename(dataDir)}/new/`,
      `${dataDir}/files/../new`,
      join(link, 'new'),
      // The system follows the link first.
      `${link}/../new`,
    ];
    for (const to of inside) {
      const { code, err } = await admin('backup', '--to', to, '--data-dir', dataDir);
      expect([to, code]).toEqual([to, 2]);
      expect(err).toContain('a backup takes a folder outside');
    }
    expect((await admin('backup', '--to', join(folder, 'new'), '--data-dir', dataDir)).code).toBe(0);
    expect((await admin('backup', '--to', `${dataDir}/new`, '--data-dir', `${link}/..`)).code).toBe(2);
    expect((await readdir(dataDir)).toSorted()).toEqual(before);
    await rm(link);
    await rm(join(folder, 'new'), { recursive: true });
  });

  it('takes no backup into itself, and is no source of a migration', async () => {
    const { code, err } = await admin('restore', '--from', join(folder, 'backup'), '--data-dir', dataDir);
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('in use by process') });
    expect(await admin('migrate', '--from', dataDir, '--to', 'postgres://127.0.0.1:1/x')).toMatchObject({
      code: 1,
      err: expect.stringContaining('in use by process'),
    });
  });

  it('is not held up by a program that begins something and does not continue', async () => {
    // Through the folder, whose path is too long for a socket.
    const hang = execFile(process.execPath, [
      '--input-type=module',
      '-e',
      `const { PgliteEngine } = await import(${JSON.stringify(new URL('../../../../libs/store/dist/pglite/engine.js', import.meta.url).href)});
       const engine = await PgliteEngine.start({ socket: process.argv[1] });
       const turn = await engine.turn();
       await engine.thread.command('begin');
       console.log('begun');
       setInterval(() => undefined, 1000);`,
      dataDir,
    ]);
    await new Promise((resolve) => hang.stdout!.once('data', resolve));
    await eventually(async () => ann.send(conversationId, 'after it', 'after'), { timeoutMs: 60_000 });
    hang.kill('SIGKILL');
  });

  it('has no socket after a normal stop, and a new one after a killed process', async () => {
    await server.stop();
    expect(await readdir(dataDir)).not.toContain('admin.sock');
    server = await startEmbedded({ dataDir, env: { PORT: new URL(server.url).port } });
    await server.kill();
    expect(await readdir(dataDir)).toContain('admin.sock');
    server = await startEmbedded({ dataDir, env: { PORT: new URL(server.url).port } });
    expect((await admin('users', '--data-dir', dataDir)).code).toBe(0);
  });
});

import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ChatClient, eventually, startEmbedded } from '@parley/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const main = join(import.meta.dirname, '../../dist/main.js');
const admin = (...args: string[]) =>
  promisify(execFile)(process.execPath, [main, ...args], { env: { PATH: process.env['PATH'] ?? '' } });

/** Everything below a folder, and itself. */
const entriesOf = async (folder: string): Promise<string[]> => [
  folder,
  ...(await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => !entry.isSymbolicLink())
    .map(({ parentPath, name }) => join(parentPath, name)),
];
/** The entries that another user of this machine has any right to. */
async function openTo(folder: string): Promise<string[]> {
  const open: string[] = [];
  for (const path of await entriesOf(folder)) {
    const status = await stat(path);
    const mode = status.mode & 0o777;
    if (mode !== (status.isDirectory() ? 0o700 : 0o600)) open.push(`${mode.toString(8)} ${path}`);
  }
  return open;
}

describe.skipIf(process.platform === 'win32')('files of Parley', { timeout: 120_000 }, () => {
  let folder: string;
  let dataDir: string;
  let conversationId: string;
  let umask: number;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-private-'));
    dataDir = join(folder, 'data');
    umask = process.umask(0);
  });
  afterAll(async () => {
    process.umask(umask);
    await rm(folder, { recursive: true, force: true });
  });

  it('belong to their user alone from the first start on, also those that other threads and processes create', async () => {
    const server = await startEmbedded({ dataDir });
    const ann = await ChatClient.register(server.url);
    await ann.connect();
    ({
      conversation: { id: conversationId },
    } = await ann.call('conversation.create', { kind: 'group', memberIds: [] }));
    const form = new FormData();
    const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
    form.append('file', new Blob([Buffer.from(pixel, 'base64')]), 'pixel.png');
    const upload = await fetch(`${server.url}/api/v1/attachments`, {
      method: 'POST',
      body: form,
      headers: { authorization: `Bearer ${ann.session.accessToken}` },
    });
    expect(upload.status).toBe(201);
    const { id } = (await upload.json()) as { id: string };
    await ann.call('message.send', { conversationId, clientId: 'one', body: 'look', attachmentIds: [id] });
    const entries = await entriesOf(dataDir);
    expect(entries.length).toBeGreaterThan(900);
    expect(entries.some((path) => path.endsWith(id))).toBe(true);
    expect(await openTo(dataDir)).toEqual([]);
    expect(server.output).not.toContain('0600');
    ann.disconnect();
    await server.stop();
    expect(await openTo(dataDir)).toEqual([]);
  });

  it('of an older version become their user’s at the start, and that is said', async () => {
    for (const path of await entriesOf(dataDir)) await chmod(path, (await stat(path)).isDirectory() ? 0o755 : 0o666);
    const foreign = join(folder, 'foreign');
    await writeFile(foreign, 'x');
    await symlink(foreign, join(dataDir, 'database', 'link'));
    const server = await startEmbedded({ dataDir });
    await eventually(async () => expect(await openTo(dataDir)).toEqual([]));
    expect((await stat(foreign)).mode & 0o777).toBe(0o666);
    await server.stop();
    await rm(join(dataDir, 'database', 'link'));
    const said = server.output.split('\n').filter((line) => line.includes('0600'));
    expect(said.filter((line) => line.includes(`"folder":"${dataDir}"`))).toHaveLength(1);
    expect(said.filter((line) => line.includes(`"folder":"${join(dataDir, 'files')}"`))).toHaveLength(1);
    expect(said).toHaveLength(2);
  });

  it('that the operator’s commands write belong to their user alone', async () => {
    const [backup, restored, exported] = ['backup', 'restored', 'exported.jsonl'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    await admin('backup', '--to', backup, '--data-dir', dataDir);
    await admin('restore', '--from', backup, '--data-dir', restored);
    await admin('export', 'conversation', '--id', conversationId, '--to', exported, '--data-dir', restored);
    for (const path of [backup, restored]) expect(await openTo(path), path).toEqual([]);
    expect((await stat(exported)).mode & 0o777).toBe(0o600);
    expect((await readdir(join(restored, 'files'))).length).toBeGreaterThan(0);
  });

  it('that servers of other users read can be read by them', async () => {
    const secrets = join(folder, 'secrets');
    await admin('secrets', '--dir', secrets, '--world-readable');
    expect((await stat(join(secrets, 'accounts', 'rabbitmq.json'))).mode & 0o777).toBe(0o644);
    expect((await stat(join(secrets, 'accounts'))).mode & 0o777).toBe(0o755);
    expect(await openTo(join(secrets, 'passwords'))).toEqual([]);
  });
});

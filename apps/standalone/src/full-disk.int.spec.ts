import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChatError } from '@parley/contracts';
import { canMountDisks, ChatClient, eventually, SmallDisk, startEmbedded, type ServiceProcess } from '@parley/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

describe.runIf(canMountDisks)('everything in one process, on a disk that gets full', { timeout: 180_000 }, () => {
  let disk: SmallDisk;
  let server: ServiceProcess;
  beforeEach(async () => {
    disk = await SmallDisk.create(300);
  });
  afterEach(async () => {
    await server.kill();
    await disk.remove();
  });

  /** Sends large messages until the server refuses them. */
  async function sendUntilFull(ann: ChatClient, conversationId: string, acknowledged: Set<string>): Promise<void> {
    let full = false;
    const sender = async () => {
      while (!full) {
        const clientId = crypto.randomUUID();
        await ann.send(conversationId, randomBytes(4_000).toString('hex'), clientId).then(
          () => acknowledged.add(clientId),
          (error: unknown) => {
            expect(error).toBeInstanceOf(ChatError);
            expect((error as ChatError).code).toBe('unavailable');
            full = true;
          },
        );
      }
    };
    await Promise.all(Array.from({ length: 16 }, sender));
  }

  it('refuses messages while it is full, is live, stops when asked, and has lost nothing when there is room', async () => {
    const dataDir = join(disk.path, 'data');
    const first = (server = await startEmbedded({ dataDir }));
    const ann = await ChatClient.register(first.url, { username: 'ann' });
    await ann.connect();
    const { conversation } = await ann.call('conversation.create', { kind: 'group', title: 'full', memberIds: [] });
    const acknowledged = new Set<string>();
    const status = async (path: string) => (await fetch(`${first.url}/health/${path}`)).status;

    await disk.fill(11);
    await sendUntilFull(ann, conversation.id, acknowledged);
    await eventually(async () => expect(await status('ready')).toBe(503));
    // It recovers by itself, so nobody has to restart it.
    expect(await status('live')).toBe(200);
    ann.disconnect();
    expect(await first.stop()).toEqual({ code: 0, signal: null });

    await disk.makeRoom();
    server = await startEmbedded({ dataDir, env: { PORT: new URL(first.url).port } });
    await ann.connect();
    const stored = new Set((await ann.history(conversation.id)).map(({ clientId }) => clientId));
    expect(acknowledged.size).toBeGreaterThan(20);
    expect([...acknowledged].filter((clientId) => !stored.has(clientId))).toEqual([]);
    ann.disconnect();
  });

  it('refuses files while their disk is full, keeps nothing of them, and takes them when there is room', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'parley-full-files-'));
    server = await startEmbedded({ dataDir: join(folder, 'data'), env: { FILES_DIR: disk.path } });
    try {
      const ann = await ChatClient.register(server.url, { username: 'ann' });
      const authorization = `Bearer ${ann.session.accessToken}`;
      const upload = () => {
        const form = new FormData();
        form.append('file', new Blob(['some text\n'.repeat(300_000)]), 'text.txt');
        return fetch(`${server.url}/api/v1/attachments`, { method: 'POST', body: form, headers: { authorization } });
      };
      const tus = (method: string, path: string, headers: Record<string, string>, body?: string) =>
        fetch(new URL(path, `${server.url}/api/v1/uploads`), {
          method,
          headers: { authorization, 'tus-resumable': '1.0.0', ...headers },
          ...(body !== undefined && { body }),
        });
      const part = (path: string) =>
        tus(
          'PATCH',
          path,
          { 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' },
          'some text\n'.repeat(300_000),
        );
      const files = async () => {
        const entries = await readdir(disk.path, { recursive: true, withFileTypes: true });
        return entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.')).map(({ name }) => name);
      };
      const create = () => tus('POST', '', { 'upload-length': '3000000' });
      expect((await upload()).status).toBe(201);
      const begun = (await create()).headers.get('location')!;
      const before = await files();

      await disk.fill();
      for (const refused of [await upload(), await create(), await part(begun)]) {
        expect(refused.status).toBe(503);
        expect(await refused.json()).toMatchObject({ code: 'unavailable' });
      }
      expect(await files()).toEqual(before);

      await disk.makeRoom();
      expect((await upload()).status).toBe(201);
      const offset = (await tus('HEAD', begun, {})).headers.get('upload-offset')!;
      const rest = 'some text\n'.repeat(300_000).slice(Number(offset));
      const finished = await tus(
        'PATCH',
        begun,
        { 'upload-offset': offset, 'content-type': 'application/offset+octet-stream' },
        rest,
      );
      expect(finished.status).toBe(204);
      expect(server.output).not.toContain('defect');
    } finally {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
});

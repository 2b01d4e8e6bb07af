import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId, type RequestPayload } from '@parley/contracts';
import { createLogger, loadConfig } from '@parley/service-kit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gatewayConfig } from '../config.js';
import { TestGateway } from '../spec/test-gateway.js';
import { Files } from './files.js';
import { defaultSandboxLimits, Sandbox } from './sandbox/sandbox.js';

describe('files of a bot', () => {
  const [userId, ownerId] = [newId(), newId()];
  const admitted: RequestPayload<'attachment.admit.v1'>[] = [];
  let folder: string;
  let gateway: TestGateway;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-bots-'));
    gateway = await TestGateway.start({ FILES_DIR: folder }, (starting) =>
      starting.serveBasics({
        'auth.bot.v1': () => ({ userId, sessionId: newId(), ownerId }),
        'attachment.admit.v1': (request) => (admitted.push(request), {}),
        'attachment.release.v1': () => ({}),
        'attachment.record.v1': ({ stored: { id, name, mediaType, size } }) => ({
          attachment: { id, name, mediaType, size, url: '' },
        }),
      }),
    );
  });
  afterAll(async () => {
    await gateway.stop();
    await rm(folder, { recursive: true });
  });

  it('are admitted as those of its owner, in one piece and in parts', async () => {
    const token = `parley_bot_${randomBytes(32).toString('base64url')}`;
    const body = new FormData();
    body.append('file', new Blob(['hello']), 'a.txt');
    expect((await gateway.fetch('/api/v1/attachments', { method: 'POST', token, body })).status).toBe(201);
    const headers = { 'tus-resumable': '1.0.0', 'upload-length': '5' };
    expect((await gateway.fetch('/api/v1/uploads', { method: 'POST', token, headers })).status).toBe(201);
    expect(admitted.map((request) => [request.userId, request.ownerId])).toEqual([
      [userId, ownerId],
      [userId, ownerId],
    ]);
  });

  it('take the owner’s turn to be examined', async () => {
    const logger = createLogger('gateway', 'silent');
    const sandbox = new Sandbox(logger, { ...defaultSandboxLimits, waitingPerUser: 1 });
    const files = new Files(gateway.broker, loadConfig(gatewayConfig, { FILES_DIR: folder }), sandbox, logger);
    try {
      const keep = async (uploader: { userId: string; ownerId?: string }) => {
        const path = join(folder, newId());
        await writeFile(path, 'hello');
        return files.keep(uploader, { id: newId(), path, name: 'a.txt' }).then(
          () => 'kept',
          ({ code }: { code: string }) => code,
        );
      };
      // One is examined, one may wait.
      const outcomes = await Promise.all([
        keep({ userId, ownerId }),
        keep({ userId: newId(), ownerId }),
        keep({ userId: ownerId }),
        keep({ userId: newId() }),
      ]);
      expect(outcomes.filter((outcome) => outcome === 'rate_limited')).toHaveLength(1);
      expect(outcomes.at(-1)).toBe('kept');
    } finally {
      sandbox.onModuleDestroy();
    }
  });
});

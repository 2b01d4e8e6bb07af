import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ChatClient, launch, startEmbedded } from '@parley/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const main = join(import.meta.dirname, '../../dist/main.js');
const admin = (...args: string[]) =>
  promisify(execFile)(process.execPath, [main, ...args], { env: { PATH: process.env['PATH'] ?? '' } });
const KEY = 'the first key, which is long enough';
const OTHER = 'another key, which is long enough as well';

describe('data under a SECRET_KEY', { timeout: 120_000 }, () => {
  let folder: string;
  let dataDir: string;
  let token: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-key-'));
    dataDir = join(folder, 'data');
    const server = await startEmbedded({ dataDir });
    token = (await ChatClient.register(server.url)).session.accessToken;
    await server.stop();
  }, 120_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const statusAt = async (url: string): Promise<number> =>
    (await fetch(`${url}/api/v1/users/me`, { headers: { authorization: `Bearer ${token}` } })).status;
  const signingKeys = async (name: string, from = dataDir): Promise<string> => {
    await admin('backup', '--to', join(folder, name), '--data-dir', from);
    return readFile(join(folder, name, 'tables', 'auth.signing_key.jsonl'), 'utf8');
  };

  it('is encrypted at the next start, in backups too, and earlier tokens stay valid', async () => {
    expect(await signingKeys('plain')).toContain('"d":');
    await writeFile(join(folder, 'key'), `${KEY}\n`);
    const server = await startEmbedded({ dataDir, env: { SECRET_KEY_FILE: join(folder, 'key') } });
    expect(await statusAt(server.url)).toBe(200);
    await server.stop();
    const stored = await signingKeys('encrypted');
    expect(stored).not.toContain('"d":');
    expect(stored).toContain('"encrypted:v1:');
  });

  it.each([
    ['no key', {}, 'SECRET_KEY is not set'],
    ['another key', { SECRET_KEY: OTHER }, 'under another SECRET_KEY'],
    ['a short key', { SECRET_KEY: 'short' }, 'at least 32 characters'],
  ] as const)('does not start with %s, and says so without a stack', async (_, env, reason) => {
    const server = await launch('standalone', { DATA_DIR: dataDir, ...env });
    expect((await server.exited).code).toBe(1);
    expect(server.output).toContain(reason);
    // The problems of a configuration have a line each, below a heading.
    expect(server.output.trim()).toMatch(/^parley: (?:the configuration has a problem:\n {2})?[^\n]*$/);
    expect(server.output).not.toMatch(/\n\s+at |short$/);
  });

  it('goes over to another key, and into a restored deployment with it', async () => {
    const rotated = await startEmbedded({ dataDir, env: { SECRET_KEY: OTHER, SECRET_KEY_PREVIOUS: KEY } });
    expect(await statusAt(rotated.url)).toBe(200);
    await rotated.stop();
    await signingKeys('rotated');
    const restored = join(folder, 'restored');
    await admin('restore', '--from', join(folder, 'rotated'), '--data-dir', restored);
    const server = await startEmbedded({ dataDir: restored, env: { SECRET_KEY: OTHER } });
    expect(await statusAt(server.url)).toBe(200);
    await server.stop();
  });
});

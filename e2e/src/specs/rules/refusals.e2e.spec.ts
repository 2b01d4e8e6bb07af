import { createServer } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { launch, startEmbedded } from '@parley/testing';

const apps = ['auth', 'messages', 'history', 'presence', 'gateway', 'standalone'] as const;
/** Every app with its required addresses. */
const addresses = (): Record<string, string> => {
  const { amqpUrl, databaseUrl, redisUrl } = inject('servers');
  return { AMQP_URL: amqpUrl, DATABASE_URL: databaseUrl, REDIS_URL: redisUrl };
};

describe('a program that cannot start', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-refusals-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each(apps)('%s reports all problems of its configuration at once and exits with code 1', async (app) => {
    const program = await launch(app, { AMQP_URL: 'http://secret-host', LOG_LEVEL: 'loud', SHARDS: '3' });
    const { code } = await program.exited;
    expect(code).toBe(1);
    for (const name of ['AMQP_URL', 'LOG_LEVEL', 'SHARDS']) expect(program.output).toContain(name);
    expect(program.output).not.toMatch(/secret-host|\n\s+at /);
  });

  it.each([
    ['auth', ['AMQP_URL', 'DATABASE_URL']],
    ['messages', ['AMQP_URL', 'DATABASE_URL', 'REDIS_URL']],
    ['gateway', ['AMQP_URL', 'REDIS_URL']],
  ] as const)('%s says which addresses a cluster service needs', async (app, names) => {
    const program = await launch(app, {});
    expect((await program.exited).code).toBe(1);
    for (const name of names) expect(program.output).toContain(`${name}: is required`);
  });

  it('reports an unmigrated database in one clear line', async () => {
    const program = await launch('messages', addresses());
    expect((await program.exited).code).toBe(1);
    expect(program.output).toMatch(/migrat/i);
    expect(program.output).not.toMatch(/\n\s+at /);
  });

  it('reports an unreachable database in one clear line, without the password', async () => {
    const program = await launch('auth', {
      ...addresses(),
      DATABASE_URL: 'postgres://parley_auth:hunter2@127.0.0.1:1/parley',
    });
    expect((await program.exited).code).toBe(1);
    expect(program.output).toMatch(/database/i);
    expect(program.output).not.toMatch(/hunter2|\n\s+at /);
  });

  it('reports an unreachable broker in one clear line, without the password', async () => {
    const program = await launch('presence', { ...addresses(), AMQP_URL: 'amqp://parley:hunter2@127.0.0.1:1' });
    expect((await program.exited).code).toBe(1);
    expect(program.output).toMatch(/broker|rabbit/i);
    expect(program.output).not.toMatch(/hunter2|\n\s+at /);
  });

  it('reports a used port in one clear line', async () => {
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve));
    const { port } = squatter.address() as { port: number };
    const dataDir = join(folder, 'port-taken');
    const program = await launch('standalone', { DATA_DIR: dataDir, PORT: String(port) });
    expect((await program.exited).code).toBe(1);
    expect(program.output).toMatch(new RegExp(`${port}.*(taken|in use)`, 'i'));
    expect(program.output).not.toMatch(/\n\s+at /);
    await new Promise((resolve) => squatter.close(resolve));
    await (await startEmbedded({ dataDir })).stop();
  });

  it('reports a data folder in use in one clear line', async () => {
    const dataDir = join(folder, 'shared');
    const owner = await startEmbedded({ dataDir });
    const second = await launch('standalone', { DATA_DIR: dataDir });
    expect((await second.exited).code).toBe(1);
    expect(second.output).toContain(dataDir);
    expect(second.output).not.toMatch(/\n\s+at /);
    await owner.ready();
    expect((await owner.stop()).code).toBe(0);
  });
});

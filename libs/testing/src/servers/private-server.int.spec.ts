import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { connect } from 'amqplib';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import { eventually } from '../eventually.js';
import { startPostgres, startRabbit, startRedis } from './servers.js';

const query = async (url: string, text: string): Promise<unknown[]> => {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
};

const ping = async (url: string): Promise<string> => {
  const redis = new Redis(url, {
    lazyConnect: true,
    retryStrategy: () => null,
    connectTimeout: 1_000,
    commandTimeout: 1_000,
    maxRetriesPerRequest: 0,
  });
  redis.on('error', () => undefined);
  return redis
    .connect()
    .then(() => redis.ping())
    .finally(() => redis.disconnect());
};

describe('a private server', () => {
  it('loses connections but no data in a crash (Postgres)', async () => {
    await using server = await startPostgres();
    await query(server.url, 'create table kept as select 1 as one');
    await server.kill();
    await expect(query(server.url, 'select 1')).rejects.toThrow();
    await server.start();
    expect(await query(server.url, 'select one from kept')).toEqual([{ one: 1 }]);
    await server.restart();
    expect(await query(server.url, 'select one from kept')).toEqual([{ one: 1 }]);
  });

  it('keeps durable queues in a crash (RabbitMQ)', async () => {
    await using server = await startRabbit();
    const declaring = await connect(server.url);
    await (await declaring.createChannel()).assertQueue('kept', { durable: true });
    await declaring.close();
    // RabbitMQ flushes a declaration some time after its answer, so a crash may lose it. A confirmed message survives.
    await server.restart();
    const before = await connect(server.url);
    before.on('error', () => undefined);
    const channel = await before.createConfirmChannel();
    channel.on('error', () => undefined);
    channel.sendToQueue('kept', Buffer.from('still here'), { persistent: true });
    await channel.waitForConfirms();
    await server.kill();
    await server.start();
    const after = await connect(server.url);
    after.on('error', () => undefined);
    const message = await eventually(
      async () => (await (await after.createChannel()).get('kept', { noAck: true })) || false,
      { timeoutMs: 30_000 },
    );
    expect(String(message.content)).toBe('still here');
    await after.close();
    const { origin, username, password } = new URL(server.managementUrl ?? '');
    const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    await eventually(
      async () => expect((await fetch(`${origin}/api/overview`, { headers: { authorization } })).status).toBe(200),
      { timeoutMs: 30_000 },
    );
  }, 120_000);

  it('does not answer while it is frozen (Redis)', async () => {
    await using server = await startRedis();
    await server.freeze();
    await expect(ping(server.url)).rejects.toThrow();
    await server.thaw();
    expect(await eventually(() => ping(server.url))).toBe('PONG');
  });

  it('ends with the process that started it, even after SIGKILL', async () => {
    const script = `const { startRedis } = await import(${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)});
      process.stdout.write((await startRedis()).url); setInterval(() => undefined, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [url] = (await once(child.stdout, 'data')) as [Buffer];
    expect(await ping(String(url))).toBe('PONG');
    child.kill('SIGKILL');
    await eventually(() => expect(ping(String(url))).rejects.toThrow(), { timeoutMs: 20_000 });
  });
});

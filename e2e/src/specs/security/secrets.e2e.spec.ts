/** Searches the output of all processes, at the most verbose level, for every secret and every text that users wrote. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChatClient, eventually, startCluster, startEmbedded } from '@parley/testing';
import { Redis } from 'ioredis';
import pg from 'pg';
import { io } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';

interface Run {
  readonly url: string;
  output(): string;
  /** Cuts the services' connections, so that they log what they log then. */
  disturb(): Promise<void>;
  stop(): Promise<void>;
  /** The secrets of the configuration. */
  readonly secrets: readonly string[];
}

const s3 = {
  S3_BUCKET: 'b',
  S3_ENDPOINT: 'http://127.0.0.1:1',
  S3_ACCESS_KEY_ID: 'AKIDsecretive',
  S3_SECRET_ACCESS_KEY: 'the-secret-of-the-bucket',
};
const env = { LOG_LEVEL: 'trace', WEBHOOKS_ALLOW_PRIVATE: 'true', ...s3 };
const kept = [s3.S3_SECRET_ACCESS_KEY, s3.S3_ACCESS_KEY_ID];

async function inCluster(): Promise<Run> {
  const servers = inject('servers');
  const cluster = await startCluster({ servers, gateways: 1, env });
  const admin = new pg.Client({ connectionString: cluster.databaseUrl });
  await admin.connect();
  const redis = new Redis(servers.redisUrl);
  const management = new URL(servers.managementUrl!);
  const rabbit = (method: string, path: string) =>
    fetch(`${management.origin}${path}`, {
      method,
      headers: {
        authorization: `Basic ${Buffer.from(`${management.username}:${management.password}`).toString('base64')}`,
      },
    });
  return {
    url: cluster.url,
    output: () => cluster.processes.map(({ output }) => output).join(''),
    async disturb() {
      await admin.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
      );
      await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      // The management API lists connections some seconds after they open.
      await eventually(async () => {
        const connections = (await (await rabbit('GET', '/api/connections')).json()) as { name: string }[];
        expect(connections.length).toBeGreaterThan(8);
        await Promise.all(
          connections.map(({ name }) => rabbit('DELETE', `/api/connections/${encodeURIComponent(name)}`)),
        );
      });
    },
    async stop() {
      await admin.end();
      redis.disconnect();
      await cluster.stop();
    },
    // The test servers' own passwords are ordinary words of logs: guest, postgres.
    secrets: [...kept, 'parley-test'],
  };
}

async function inOneProcess(): Promise<Run> {
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-e2e-'));
  const server = await startEmbedded({ dataDir, env });
  return {
    url: server.url,
    output: () => server.output,
    disturb: async () => undefined,
    async stop() {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
    secrets: kept,
  };
}

/** A unique text. */
const secret = (what: string) => `${what}-${randomBytes(8).toString('hex')}`;

/** Uses a deployment in every way, including failures. Returns all texts that must not be logged. */
async function live(url: string, hook: string): Promise<string[]> {
  const said = {
    password: secret('password'),
    next: secret('password'),
    wrong: secret('wrong'),
    body: secret('body'),
    edited: secret('edited'),
    title: secret('note'),
    file: secret('content'),
    query: secret('query'),
  };
  const post = (path: string, body: string, headers: Record<string, string> = {}) =>
    fetch(`${url}${path}`, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } });
  const ann = await ChatClient.register(url, { password: said.password });
  const ben = await ChatClient.guest(url);
  const tokens = [ann.session.accessToken, ann.session.refreshToken, ben.session.accessToken, ben.session.refreshToken];
  const { username } = ann.user;
  await Promise.all([ann.connect(), ben.connect()]);

  // Passwords: right, wrong, in the wrong field, in a malformed body.
  const again = await ChatClient.login(url, username, said.password);
  const refreshed = await again.http('auth.refresh', { refreshToken: again.session.refreshToken });
  tokens.push(again.session.accessToken, again.session.refreshToken, refreshed.accessToken, refreshed.refreshToken);
  expect((await post('/api/v1/auth/login', JSON.stringify({ username, password: said.wrong }))).status).toBe(401);
  expect(
    (await post('/api/v1/auth/login', JSON.stringify({ username, password: said.wrong, more: said.wrong }))).status,
  ).toBe(400);
  expect((await post('/api/v1/auth/login', `{"username":"${username}","password":"${said.wrong}`)).status).toBe(400);
  expect((await post('/api/v1/auth/register', JSON.stringify({ username, password: said.wrong }))).status).toBe(409);
  await ann.http('auth.password', { current: said.password, next: said.next });

  // Tokens in wrong places.
  expect((await fetch(`${url}/api/v1/users/me?token=${tokens[0]}`)).status).toBe(401);
  expect((await fetch(`${url}/api/v1/users/me`, { headers: { authorization: `Bearer ${tokens[1]}` } })).status).toBe(
    401,
  );
  const stranger = io(url, {
    auth: { token: `${tokens[2]}x` },
    query: { token: tokens[2] },
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
  });
  await new Promise((resolve) => stranger.once('connect_error', resolve));

  // Bots and webhooks, one of which fails.
  const bot = await ann.http('bot.create', { username: `b${randomBytes(6).toString('hex')}` });
  expect((await fetch(`${url}/api/v1/users/me`, { headers: { authorization: `Bearer ${bot.token}` } })).status).toBe(
    200,
  );
  const { token: renewed } = await ann.http('bot.token', { userId: bot.user.id });
  expect((await fetch(`${url}/api/v1/users/me`, { headers: { authorization: `Bearer ${bot.token}` } })).status).toBe(
    401,
  );
  const { conversation } = await ann.call('conversation.create', {
    kind: 'group',
    title: 'a group',
    memberIds: [ben.user.id],
  });
  const { webhook } = await ann.http('webhook.create', {
    conversationId: conversation.id,
    url: `${hook}/${said.query}`,
  });
  tokens.push(bot.token, renewed, webhook.secret!);

  // Messages, accepted and refused.
  const { message } = await ann.send(conversation.id, said.body);
  await ann.call('message.edit', { messageId: message.id, body: said.edited });
  await ben.http('message.search', { q: said.edited });
  await ben.call('message.edit', { messageId: message.id, body: said.body }).catch(() => undefined);
  await ann
    .emit('message:send', { conversationId: conversation.id, clientId: 'c', body: `${said.body}\0` })
    .catch(() => undefined);
  await ann.emit(said.body, { body: said.body }).catch(() => undefined);
  await post(
    `/api/v1/conversations/${conversation.id}/messages`,
    JSON.stringify({ clientId: 'd', body: said.body, admin: said.body }),
    { authorization: `Bearer ${tokens[0]}` },
  );
  await ann.call('drawing.draw', {
    conversationId: conversation.id,
    line: { id: said.title, color: '#123456', width: 1, points: [0, 0, 1, 1] },
  });

  // The bucket is unavailable: a file cannot be stored.
  const form = new FormData();
  form.append('file', new Blob([said.file]), 'notes.txt');
  expect(
    (
      await fetch(`${url}/api/v1/attachments`, {
        method: 'POST',
        body: form,
        headers: { authorization: `Bearer ${tokens[0]}` },
      })
    ).status,
  ).toBeGreaterThanOrEqual(500);
  await ben.http('auth.logout', {});
  ann.disconnect();
  ben.disconnect();
  return [...Object.values(said), ...tokens];
}

describe.each([
  ['the cluster', inCluster],
  ['embedded mode', inOneProcess],
] as const)('what %s prints', (_, start) => {
  let run: Run;
  let hook: Server;
  let called = 0;
  beforeAll(async () => {
    hook = createServer((request, response) => {
      called++;
      request.resume().on('end', () => void response.writeHead(500).end());
    });
    await new Promise<void>((resolve) => void hook.listen(0, '127.0.0.1', resolve));
    run = await start();
  });
  afterAll(async () => {
    await run?.stop();
    hook.close();
  });

  it('contains no secret and nothing that users wrote', async () => {
    const address = `http://127.0.0.1:${(hook.address() as AddressInfo).port}`;
    const before = await live(run.url, address);
    await eventually(() => expect(called).toBeGreaterThan(0));
    await run.disturb();
    await eventually(async () => expect((await fetch(`${run.url}/health/ready`)).ok).toBe(true), { timeoutMs: 30_000 });
    const secrets = [...run.secrets, ...before, ...(await live(run.url, address))];
    const output = run.output();
    // The output is not empty, at all levels.
    for (const level of ['debug', 'error']) expect(output).toContain(`"level":"${level}"`);
    expect(secrets.length).toBeGreaterThan(30);
    for (const one of secrets) {
      const at = output.indexOf(one);
      expect(at < 0 ? '' : output.slice(Math.max(0, at - 300), at + 100), `${one} was printed`).toBe('');
    }
    // Tokens have three parts; none of them appears.
    for (const one of secrets.filter((text) => text.split('.').length === 3))
      expect(output).not.toContain(one.split('.')[2]);
  });
});

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express from 'express';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { webApp } from './web-app.js';

const folder = await mkdtemp(join(tmpdir(), 'parley-web-'));
const servers: Server[] = [];
let url: string;

async function serve(from: string, basePath = ''): Promise<string> {
  const app = express().disable('x-powered-by');
  app.use(await webApp(basePath, from));
  app.use((_request, response) => void response.status(404).json({ code: 'not_found' }));
  const server = await new Promise<Server>((resolve) => {
    const listening = app.listen(0, '127.0.0.1', () => resolve(listening));
  });
  servers.push(server);
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

beforeAll(async () => {
  await mkdir(join(folder, 'assets'));
  await writeFile(join(folder, 'index.html'), '<!doctype html><title>Parley</title>');
  await writeFile(join(folder, 'assets/index-abc.js'), 'console.log("parley");'.repeat(100));
  await writeFile(join(folder, 'sw.js'), 'addEventListener("fetch", () => undefined);');
  await writeFile(join(folder, 'favicon.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
  url = await serve(folder);
});
afterAll(async () => {
  for (const server of servers) server.close();
  await rm(folder, { recursive: true, force: true });
});

describe('the web app', () => {
  it.each([
    '/',
    '/rooms',
    '/about',
    '/activity',
    '/people',
    '/settings',
    '/settings/devices',
    '/c/0198c2f0-0000-7000-8000-000000000000',
    '/r/0198c2f0-0000-7000-8000-000000000000',
    '/r/a?x=1',
  ])('serves the page at %s under a strict content security policy', async (path) => {
    const answer = await fetch(url + path);
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain('<title>Parley</title>');
    expect(answer.headers.get('cache-control')).toBe('no-cache');
    const policy = answer.headers.get('content-security-policy')!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).not.toContain('unsafe');
    expect(
      (
        await fetch(url + path, {
          headers: { 'if-none-match': answer.headers.get('etag')!, 'cache-control': 'max-age=0' },
        })
      ).status,
    ).toBe(304);
  });

  it.each([
    '/api',
    '/api/v1/nothing',
    '/socket.io/x',
    '/health/nothing',
    '/metrics',
    '/.well-known/x',
    '/assets/gone-abc.js',
    '/index.html',
    '/nothing',
    '/c/a/b',
    '/r/a.b',
    '/../package.json',
    '/assets/..%2f..%2fpackage.json',
    '//etc/passwd',
  ])('does not serve the page at %s', async (path) => {
    const answer = await fetch(url + path);
    expect(answer.status).toBe(404);
    expect(await answer.text()).not.toContain('<title>');
  });

  it('serves files with a hash in their name as immutable, gzipped for clients that accept it', async () => {
    const answer = await fetch(`${url}/assets/index-abc.js`);
    expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(answer.headers.get('content-type')).toContain('text/javascript');
    expect(answer.headers.get('content-encoding')).toBe('gzip');
    expect(await answer.text()).toBe('console.log("parley");'.repeat(100));
    const plain = await fetch(`${url}/assets/index-abc.js`, { headers: { 'accept-encoding': 'identity' } });
    expect(plain.headers.get('content-encoding')).toBeNull();
    expect(await plain.text()).toBe('console.log("parley");'.repeat(100));
  });

  it('serves a service worker that is revalidated each time and may load only its own origin', async () => {
    const answer = await fetch(`${url}/sw.js`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toContain('text/javascript');
    expect(answer.headers.get('cache-control')).toBe('no-cache');
    expect(answer.headers.get('content-security-policy')).toBe("default-src 'none'; connect-src 'self'");
  });

  it('answers HEAD without a body', async () => {
    const head = await fetch(url, { method: 'HEAD' });
    expect(head.status).toBe(200);
    expect(await head.text()).toBe('');
  });

  it('passes other methods on', async () => {
    expect((await fetch(url, { method: 'POST' })).status).toBe(404);
  });

  it('serves a hint instead of the page when it was not built', async () => {
    const bare = await serve(join(folder, 'nothing'));
    const answer = await fetch(bare);
    expect(answer.headers.get('content-type')).toContain('text/plain');
    expect(await answer.text()).toContain('npm run build');
    expect((await fetch(`${bare}/rooms`)).status).toBe(404);
  });
});

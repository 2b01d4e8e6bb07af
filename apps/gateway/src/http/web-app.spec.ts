import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express from 'express';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { webApp } from './web-app.js';

const folder = await mkdtemp(join(tmpdir(), 'parley-web-'));
const embedFolder = await mkdtemp(join(tmpdir(), 'parley-embed-'));
const servers: Server[] = [];
let url: string;

async function serve(from: string, basePath = '', embedders: readonly string[] = []): Promise<string> {
  const app = express().disable('x-powered-by');
  app.use((_request, response, next) => {
    response.setHeader('x-frame-options', 'SAMEORIGIN');
    next();
  });
  app.use(await webApp({ basePath, embedders }, { app: from, embed: embedFolder }));
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
  await writeFile(join(embedFolder, 'parley-chat.js'), 'customElements.define();');
  url = await serve(folder);
});
afterAll(async () => {
  for (const server of servers) server.close();
  for (const made of [folder, embedFolder]) await rm(made, { recursive: true, force: true });
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

  it('allows no page to show the app in a frame, or only those that the operator lists', async () => {
    const framesOf = async (from: string, path: string) => {
      const { headers } = await fetch(from + path);
      return [
        /frame-ancestors [^;]*/.exec(headers.get('content-security-policy') ?? '')?.[0],
        headers.get('x-frame-options'),
      ];
    };
    expect(await framesOf(url, '/')).toEqual(["frame-ancestors 'none'", 'SAMEORIGIN']);
    const embedded = await serve(folder, '', ['https://a.example', 'https://b.example:8443']);
    expect(await framesOf(embedded, '/c/0198c2f0-0000-7000-8000-000000000000')).toEqual([
      'frame-ancestors https://a.example https://b.example:8443',
      null,
    ]);
    expect(await framesOf(embedded, '/api')).toEqual([undefined, 'SAMEORIGIN']);
  });

  it('serves the chat as an element to pages of every origin, and the app’s own files to none', async () => {
    const element = await fetch(`${url}/embed/parley-chat.js`);
    expect(await element.text()).toBe('customElements.define();');
    const sharing = ({ headers }: Response) =>
      ['cross-origin-resource-policy', 'access-control-allow-origin', 'cache-control'].map((name) => headers.get(name));
    expect(sharing(element)).toEqual(['cross-origin', '*', 'no-cache']);
    expect(sharing(await fetch(`${url}/favicon.svg`))).toEqual(['same-origin', null, 'no-cache']);
    const etag = element.headers.get('etag')!;
    const again = await fetch(element.url, { headers: { 'if-none-match': etag, 'cache-control': 'max-age=0' } });
    expect(again.status).toBe(304);
    expect((await fetch(`${url}/embed/gone.js`)).status).toBe(404);
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

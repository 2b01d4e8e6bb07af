import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { NextFunction, Request, Response } from 'express';

/** The output of `vite build`, as seen from `src/http` and from `dist/http`. */
const buildFolder = fileURLToPath(new URL('../../../web/dist', import.meta.url));
/** The output of `vite build` of the chat as an element, for other pages. */
const embedFolder = fileURLToPath(new URL('../../../../libs/react-ui/dist/embed', import.meta.url));

const mediaTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.txt': 'text/plain; charset=utf-8',
  '.woff2': 'font/woff2',
};

/** Addresses inside the app. All have the same page, which reads its own address. */
const pagePaths = /^\/(?:|rooms|people|about|activity|settings(?:\/[a-z]+)?|[cr]\/[\w-]+)\/?$/;

/** `embedders`: the origins whose pages may show this one in a frame. */
const pageHeadersFor = (embedders: readonly string[]) => ({
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob:",
    "media-src 'self' blob:",
    "connect-src 'self'",
    "font-src 'self'",
    "manifest-src 'self'",
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    `frame-ancestors ${embedders.length === 0 ? "'none'" : embedders.join(' ')}`,
    "require-trusted-types-for 'script'",
    // This one policy returns a constant: the service worker's address.
    'trusted-types parley-worker',
  ].join('; '),
  'permissions-policy': 'camera=(), geolocation=(), microphone=(self), payment=(), usb=()',
  'cross-origin-opener-policy': 'same-origin',
});

/**
 * The service worker keeps the page for the time when the server is unavailable. It is never served from a browser's
 * cache and loads the app's own files only.
 */
const WORKER = '/sw.js';
const workerHeaders = { 'content-security-policy': "default-src 'none'; connect-src 'self'" };

interface Asset {
  readonly type: string;
  readonly etag: string;
  readonly body: Buffer;
  /** Present when it is smaller. */
  readonly gzipped?: Buffer;
}

/** Where other pages find the chat as an element. */
const EMBED = '/embed';
const embedHeaders = { 'cross-origin-resource-policy': 'cross-origin', 'access-control-allow-origin': '*' };

interface Folders {
  readonly app: string;
  readonly embed: string;
}

interface WebAppOptions {
  readonly basePath?: string;
  readonly embedders?: readonly string[];
}

const PAGE = '/index.html';
const notBuilt =
  'Parley’s web app was not built. `npm start` builds it, and so does `npm run build -w apps/web`. The API is at /api/docs.\n';

/**
 * Serves the built web app beside the API: the page at its addresses, files by their names. All files are read once,
 * when the gateway starts, so no path of a request ever reaches the disk. Other requests pass on. If the app was not
 * built, the page is a hint in plain text. `basePath`: what browsers have in front of these addresses. `embedders`: the
 * origins whose pages may show the app in a frame.
 */
export async function webApp(
  { basePath = '', embedders = [] }: WebAppOptions = {},
  folders: Folders = { app: buildFolder, embed: embedFolder },
): Promise<(request: Request, response: Response, next: NextFunction) => void> {
  const [app, embed] = await Promise.all([load(folders.app, '', basePath), load(folders.embed, EMBED)]);
  const assets = new Map([...app, ...embed]);
  const pageHeaders = pageHeadersFor(embedders);
  return (request, response, next) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return next();
    const { path } = request;
    const isPage = pagePaths.test(path);
    const asset = isPage ? assets.get(PAGE) : path === PAGE ? undefined : assets.get(path);
    if (isPage && embedders.length > 0) response.removeHeader('x-frame-options');
    if (asset) return send(asset, path, isPage ? pageHeaders : undefined, request, response);
    if (path === '/') return void response.type('text/plain').setHeader('cache-control', 'no-cache').send(notBuilt);
    next();
  };
}

function send(
  { type, etag, body, gzipped }: Asset,
  path: string,
  pageHeaders: Readonly<Record<string, string>> | undefined,
  request: Request,
  response: Response,
): void {
  response.set({
    'content-type': type,
    etag,
    vary: 'accept-encoding',
    'cross-origin-resource-policy': 'same-origin',
    // Vite puts a hash of the content into these names.
    'cache-control': path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
    ...pageHeaders,
    ...(path === WORKER && workerHeaders),
    ...(path.startsWith(`${EMBED}/`) && embedHeaders),
  });
  if (request.fresh) return void response.status(304).end();
  const encoded = gzipped !== undefined && request.acceptsEncodings('gzip') === 'gzip' ? gzipped : undefined;
  if (encoded) response.setHeader('content-encoding', 'gzip');
  response.end(request.method === 'HEAD' ? undefined : (encoded ?? body));
}

/** `at`: the address of the folder, below the base path. */
async function load(folder: string, at: string, basePath = ''): Promise<ReadonlyMap<string, Asset>> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const bodies = new Map<string, Buffer>(
    await Promise.all(
      files.map(async (file) => {
        const name = file
          .slice(folder.length + 1)
          .split(sep)
          .join('/');
        return [`${at}/${name}`, await readFile(file)] as const;
      }),
    ),
  );
  if (basePath !== '') moveBelow(basePath, bodies);
  return new Map(
    await Promise.all([...bodies].map(async ([path, body]) => [path, await assetOf(path, body)] as const)),
  );
}

/**
 * Puts the base path in front of the addresses in the page, and the hash of that page in place of the built one's in the
 * service worker. The other files name each other relatively.
 */
function moveBelow(basePath: string, bodies: Map<string, Buffer>): void {
  const [page, worker] = [bodies.get(PAGE), bodies.get(WORKER)];
  if (!page || !worker) return;
  const moved = Buffer.from(page.toString().replaceAll(/(href|src)="\//g, `$1="${basePath}/`));
  bodies.set(PAGE, moved);
  bodies.set(WORKER, Buffer.from(worker.toString().replaceAll(hashOf(page), hashOf(moved))));
}

/** As the build writes it into the service worker. */
const hashOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('base64');

async function assetOf(path: string, body: Buffer): Promise<Asset> {
  const gzipped = await promisify(gzip)(body, { level: 9 });
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  return {
    type: mediaTypes[extname(path)] ?? 'application/octet-stream',
    etag,
    body,
    ...(gzipped.length < body.length && { gzipped }),
  };
}

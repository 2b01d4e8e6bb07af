/**
 * Keeps one build of the app, so that its page opens, and shows what was last known and what waits to be sent, while the server is away.
 *
 * A page always comes from the server when that answers, and whatever a page loads is named by its content: so builds never mix, and a new one is there at the next load. What is kept is one
 * whole build or nothing: a server that is just being replaced may answer with parts of two.
 */
const worker = self as unknown as ServiceWorkerGlobalScope;
/** The build's page and icon by the hash of their bytes (SHA-256, base64), and the paths of what is named by its content. Put in by the build. */
declare const BUILD: {
  readonly id: string;
  readonly hashed: Readonly<Record<string, string>>;
  readonly assets: readonly string[];
};

const PREFIX = 'parley-';
const own = PREFIX + BUILD.id;
/** A server that takes longer is away. */
const PATIENCE_MS = 5_000;
/** Addresses that are the page, as the gateway has them. */
const pages = /^\/(?:|rooms|people|settings(?:\/[a-z]+)?|[cr]\/[\w-]+)\/?$/;

worker.addEventListener('install', (event) => {
  void worker.skipWaiting();
  event.waitUntil(keep());
});

worker.addEventListener('activate', (event) => event.waitUntil(Promise.all([dropOld(), worker.clients.claim()])));

worker.addEventListener('fetch', (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== 'GET' || origin !== worker.location.origin) return;
  if (request.mode === 'navigate') {
    if (pages.test(pathname)) event.respondWith(page(request));
  } else if (pathname.startsWith('/assets/') || pathname in BUILD.hashed) event.respondWith(asset(request, pathname));
});

async function keep(): Promise<void> {
  const cache = await caches.open(own);
  try {
    await Promise.all([
      // Named by their content, so whatever the browser has of them is right.
      cache.addAll(BUILD.assets),
      ...Object.entries(BUILD.hashed).map(async ([path, hash]) => {
        const response = await fetch(path, { cache: 'no-cache' });
        const digest = await crypto.subtle.digest('SHA-256', await response.clone().arrayBuffer());
        if (btoa(String.fromCharCode(...new Uint8Array(digest))) !== hash)
          throw new Error(`${path} is of another build`);
        await cache.put(path, response);
      }),
    ]);
  } catch (error) {
    await caches.delete(own);
    throw error;
  }
}

/** All but this build and the one before it, parts of which a page that is still open may load. */
async function dropOld(): Promise<void> {
  const others = (await caches.keys()).filter((key) => key.startsWith(PREFIX) && key !== own);
  await Promise.all(others.slice(0, -1).map((key) => caches.delete(key)));
}

async function page(request: Request): Promise<Response> {
  const kept = async () => (await caches.open(own)).match('/');
  try {
    const response = await fetch(request, { signal: AbortSignal.timeout(PATIENCE_MS) });
    // A proxy whose server is away.
    return response.status >= 500 ? ((await kept()) ?? response) : response;
  } catch (error) {
    const response = await kept();
    if (response) return response;
    throw error;
  }
}

async function asset(request: Request, path: string): Promise<Response> {
  return (await (await caches.open(own)).match(path)) ?? (await caches.match(path)) ?? fetch(request);
}

export {};

/**
 * The service worker. It caches one build of the app, so that the page opens while the server is unavailable, and shows
 * kept conversations and unsent messages. A click on a notification leads to its conversation.
 *
 * A page always comes from the server if that answers, and the names of all other files contain a hash of their
 * content. So builds never mix, and a new build is used at the next load. The cache has one whole build or none,
 * because a server that is being replaced may answer with files of two.
 */
declare const self: ServiceWorkerGlobalScope;
const worker = self;
/**
 * The build: the hashes (SHA-256, base64) of its page and icon, and the files with a hash in their name. All paths are
 * relative to the app's.
 * The build inserts it.
 */
declare const BUILD: {
  readonly id: string;
  readonly hashed: Readonly<Record<string, string>>;
  readonly assets: readonly string[];
};

/** The path of the app: `/`, or below the gateway's `BASE_PATH`. */
const scope = new URL('./', worker.location.href).pathname;
/** Apps below other paths of the origin have other caches. */
const PREFIX = `parley-${scope.slice(1)}`;
const isOfThisApp = (cache: string) => cache.startsWith(PREFIX) && !cache.slice(PREFIX.length).includes('/');
const ownCache = PREFIX + BUILD.id;
/** A server that takes longer counts as unreachable. */
const SERVER_TIMEOUT_MS = 5_000;
/** The paths for which the gateway serves the page. */
const pagePaths = /^(?:|rooms|people|about|activity|settings(?:\/[a-z]+)?|[cr]\/[\w-]+)\/?$/;

/** Chromium's static routes, which the types lack. */
interface Routing {
  addRoutes?(route: { readonly condition: { readonly urlPattern: string }; readonly source: 'network' }): Promise<void>;
}

worker.addEventListener('install', (event) => {
  void worker.skipWaiting();
  // Otherwise Chromium drops requests that should go on when their page is left.
  void (event as Routing).addRoutes?.({ condition: { urlPattern: `${scope}api/*` }, source: 'network' });
  event.waitUntil(cacheBuild());
});

worker.addEventListener('activate', (event) =>
  event.waitUntil(Promise.all([deleteOldCaches(), worker.clients.claim()])),
);

worker.addEventListener('fetch', (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== 'GET' || origin !== worker.location.origin) return;
  if (!pathname.startsWith(scope)) return;
  const path = pathname.slice(scope.length);
  if (request.mode === 'navigate') {
    if (pagePaths.test(path)) event.respondWith(answerPage(request));
  } else if (path.startsWith('assets/') || path in BUILD.hashed) event.respondWith(answerAsset(request, pathname));
});

worker.addEventListener('notificationclick', (event) => {
  event.notification.close();
  const { conversationId } = (event.notification.data ?? {}) as { readonly conversationId?: unknown };
  if (typeof conversationId === 'string' && /^[\w-]+$/.test(conversationId))
    event.waitUntil(openConversation(conversationId));
});

/** Shows a conversation in a window of the app, or in a new one. */
async function openConversation(conversationId: string): Promise<void> {
  const windows = await worker.clients.matchAll({ type: 'window', includeUncontrolled: true });
  const own = windows.filter(({ url }) => `${new URL(url).pathname}/`.startsWith(scope));
  const path = `${scope}c/${conversationId}`;
  const best = own.find(({ url }) => new URL(url).pathname === path) ?? own.find(({ focused }) => focused) ?? own[0];
  if (!best) return void (await worker.clients.openWindow(path));
  // `onNotificationClick` in the page.
  best.postMessage({ conversationId });
  await best.focus();
}

async function cacheBuild(): Promise<void> {
  const cache = await caches.open(ownCache);
  try {
    await Promise.all([
      // Their names contain a hash, so the browser's cached copies are right.
      cache.addAll(BUILD.assets.map((name) => scope + name)),
      ...Object.entries(BUILD.hashed).map(async ([name, hash]) => {
        const path = scope + name;
        const response = await fetch(path, { cache: 'no-cache' });
        const digest = await crypto.subtle.digest('SHA-256', await response.clone().arrayBuffer());
        if (btoa(String.fromCharCode(...new Uint8Array(digest))) !== hash)
          throw new Error(`${path} is of another build`);
        await cache.put(path, response);
      }),
    ]);
  } catch (error) {
    await caches.delete(ownCache);
    throw error;
  }
}

/**
 * Deletes the caches of all builds but this one and the one before it, whose files a page that is still open may load.
 */
async function deleteOldCaches(): Promise<void> {
  const others = (await caches.keys()).filter((key) => isOfThisApp(key) && key !== ownCache);
  await Promise.all(others.slice(0, -1).map((key) => caches.delete(key)));
}

async function answerPage(request: Request): Promise<Response> {
  const cached = async () => (await caches.open(ownCache)).match(scope);
  try {
    const response = await fetch(request, { signal: AbortSignal.timeout(SERVER_TIMEOUT_MS) });
    // A proxy answers in place of the server.
    return response.status >= 500 ? ((await cached()) ?? response) : response;
  } catch (error) {
    const response = await cached();
    if (response) return response;
    throw error;
  }
}

async function answerAsset(request: Request, path: string): Promise<Response> {
  return (await (await caches.open(ownCache)).match(path)) ?? (await caches.match(path)) ?? fetch(request);
}

export {};

/**
 * The script of /api/docs: search, and trying calls. The page is complete without it. It keeps the session of a trial in
 * memory only.
 */
import type { Socket } from 'socket.io-client';

interface Session {
  readonly user: { readonly id: string; readonly displayName: string };
  readonly accessToken: string;
}
/** How a form says where its call goes. */
interface HttpRoute {
  readonly method: string;
  readonly path: string;
  readonly query: readonly string[];
}
type Json = Record<string, unknown>;

const CALL_TIMEOUT_MS = 12_000;
const MAX_LOGGED_EVENTS = 100;
/** The gateway's root, with a slash at the end. The page is at `api/docs` below it. */
const root = new URL('..', location.href);
const find = <T extends HTMLElement>(selector: string): T => document.querySelector<T>(selector)!;
const all = <T extends HTMLElement>(selector: string): T[] => [...document.querySelectorAll<T>(selector)];
const show = (value: unknown): string => JSON.stringify(value, null, 2);

document.documentElement.classList.add('scripted');

// ── search ────────────────────────────────────────────────────────────────────────────────────────────────────────

const search = find<HTMLInputElement>('#search');
const entries = all('[data-entry]').map((element) => ({
  element,
  text: element.textContent.toLowerCase(),
  link: find(`nav a[href="#${element.id}"]`).closest('li')!,
}));

function filter(): void {
  const terms = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const { element, text, link } of entries) {
    const isHit = terms.every((term) => text.includes(term));
    element.hidden = link.hidden = !isHit;
    if (isHit) found++;
  }
  for (const group of all('nav details, main > section'))
    group.hidden = terms.length > 0 && !group.querySelector('[data-entry]:not([hidden]), li:not([hidden])');
  for (const group of all<HTMLDetailsElement>('nav details')) if (terms.length > 0) group.open = true;
  find('#found').textContent = terms.length === 0 ? '' : `${found} found`;
}
search.addEventListener('input', filter);
search.addEventListener('keydown', (event) => {
  const first = entries.find(({ element }) => !element.hidden)?.element;
  if (event.key !== 'Enter' || !first) return;
  event.preventDefault();
  location.hash = first.id;
  first.focus();
});
addEventListener('keydown', (event) => {
  const isTyping = event.target instanceof HTMLElement && event.target.matches('input, textarea');
  if (event.key !== '/' || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  search.focus();
});

// ── session ───────────────────────────────────────────────────────────────────────────────────────────────────────

let session: Session | undefined;
let socket: Socket | undefined;

function logEvent(event: string, payload: unknown): void {
  const row = document.createElement('li');
  const name = document.createElement('strong');
  name.textContent = event;
  const text = document.createElement('pre');
  text.textContent = show(payload);
  row.append(name, text);
  const log = find('#events');
  log.prepend(row);
  while (log.childElementCount > MAX_LOGGED_EVENTS) log.lastElementChild!.remove();
}

function showState(): void {
  find('#state').textContent = session
    ? `${session.user.displayName}, ${socket?.connected ? 'connected' : 'not connected'}`
    : 'Nobody is signed in';
  find<HTMLButtonElement>('#connect').disabled = !session || socket !== undefined;
}

/** Makes requests and sockets act for this user from now on. */
function use(next: Session): void {
  session = next;
  socket?.disconnect();
  socket = undefined;
  replaceSample('userId', next.user.id);
  showState();
}

async function connect(): Promise<Socket> {
  if (socket) return socket;
  if (!session) throw new Error('Become a guest first');
  // The gateway serves the client of its own version of Socket.IO.
  const address = new URL('api/docs/socket.io.js', root).href;
  const { io } = (await import(address)) as typeof import('socket.io-client');
  const opened = io(root.origin, {
    path: `${root.pathname}socket.io`,
    auth: { token: session.accessToken },
    forceNew: true,
  });
  socket = opened;
  opened.onAny(logEvent);
  for (const event of ['connect', 'disconnect'] as const) opened.on(event, showState);
  await new Promise<void>((resolve, reject) => {
    opened.once('session:ready', () => resolve());
    opened.once('connect_error', (error) => {
      opened.disconnect();
      if (socket === opened) socket = undefined;
      showState();
      reject(error);
    });
  });
  showState();
  return opened;
}

// ── calls ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The ids that stand for things of a kind in the inputs. */
const sampleIds = new Map<string, string>(Object.entries(JSON.parse(find('main').dataset['ids']!) as object));

/** Puts the id of a real thing in place of the one that stood for it in all inputs. */
function replaceSample(field: string, id: string): void {
  const before = sampleIds.get(field);
  if (before === undefined || before === id) return;
  sampleIds.set(field, id);
  for (const input of all<HTMLTextAreaElement>('form[data-call] textarea'))
    input.value = input.value.replaceAll(before, id);
}

function learnFrom(data: unknown): void {
  const { user, accessToken, conversation, message, ...bare } = (data ?? {}) as {
    user?: Session['user'];
    accessToken?: string;
    conversation?: { id: string };
    message?: { id: string };
    id?: string;
    kind?: string;
    memberCount?: number;
  };
  if (user && accessToken !== undefined) use({ user, accessToken });
  const conversationId = conversation?.id ?? (bare.memberCount === undefined ? undefined : bare.id);
  if (conversationId !== undefined) replaceSample('conversationId', conversationId);
  if (message) replaceSample('messageId', message.id);
}

async function callOverHttp({ method, path, query }: HttpRoute, input: Json): Promise<unknown> {
  const rest = new Map(Object.entries(input));
  const take = (name: string): string => {
    const value = rest.get(name);
    rest.delete(name);
    return Array.isArray(value) ? value.join() : String(value);
  };
  const filled = path.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(take(name)));
  const url = new URL(`api/v1${filled}`, root);
  for (const name of query) if (rest.has(name)) url.searchParams.set(name, take(name));
  const answer = await fetch(url, {
    method,
    headers: {
      ...(session && { authorization: `Bearer ${session.accessToken}` }),
      ...(rest.size > 0 && { 'content-type': 'application/json' }),
    },
    ...(rest.size > 0 && { body: JSON.stringify(Object.fromEntries(rest)) }),
    signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
  });
  const text = await answer.text();
  const body: unknown = text === '' ? undefined : JSON.parse(text);
  if (answer.ok) learnFrom(body);
  return { status: answer.status, ...(body !== undefined && { body }) };
}

async function callOverSocket(event: string, input: Json): Promise<unknown> {
  const answer = (await (await connect()).timeout(CALL_TIMEOUT_MS).emitWithAck(event, input)) as {
    ok: boolean;
    data?: unknown;
  };
  if (answer.ok) learnFrom(answer.data);
  return answer;
}

/** Runs the work of a button, and shows its result or why it failed. */
async function report(output: HTMLElement, work: () => Promise<unknown>): Promise<void> {
  output.textContent = '…';
  try {
    output.textContent = show(await work());
  } catch (error) {
    output.textContent = error instanceof Error ? error.message : String(error);
  }
}

for (const form of all<HTMLFormElement>('form[data-call]')) {
  const input = form.querySelector('textarea')!;
  const output = form.querySelector('output')!;
  form.addEventListener('submit', (event) => event.preventDefault());
  form.querySelector('[data-http]')?.addEventListener('click', ({ currentTarget }) => {
    const route = JSON.parse((currentTarget as HTMLElement).dataset['http']!) as HttpRoute;
    void report(output, async () => callOverHttp(route, JSON.parse(input.value || '{}') as Json));
  });
  form.querySelector('[data-socket]')?.addEventListener('click', ({ currentTarget }) => {
    const event = (currentTarget as HTMLElement).dataset['socket']!;
    void report(output, async () => callOverSocket(event, JSON.parse(input.value || '{}') as Json));
  });
}
find('#guest').addEventListener(
  'click',
  () =>
    void report(find('#session-answer'), () =>
      callOverHttp({ method: 'POST', path: '/auth/guest', query: [] }, { displayName: 'Ann Example' }),
    ),
);
find('#connect').addEventListener(
  'click',
  () => void report(find('#session-answer'), async () => ({ connected: (await connect()).connected })),
);
showState();

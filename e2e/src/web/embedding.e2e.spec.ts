import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChatClient, eventually, startEmbedded, type ServiceProcess } from '@parley/testing';
import type { Page } from '@parley/testing/browser';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { violationsOn } from './axe.js';
import { useTestBrowser } from './hooks.js';
import { serveFiles, type StaticServer } from './static-server.js';
import { password, sendBy, sendText } from './test-browser.js';

/** What a host page has heard of its element. */
interface HostPage {
  readonly heard: { readonly type: string; readonly detail: Record<string, unknown> }[];
}
declare global {
  /** For the spec. */
  var hostPage: HostPage;
}

const hostScript = `
  globalThis.hostPage = { heard: [] };
  for (const type of ['ready', 'unread', 'conversation', 'error'])
    document.querySelector('parley-chat').addEventListener(type, ({ detail }) => hostPage.heard.push({ type, detail }));
`;
const hostStyles =
  'html, body, main { height: 100%; margin: 0; } main { display: flex; flex-direction: column; } parley-chat { flex: 1; min-height: 0; } * { color: rgb(255, 0, 0); } button { display: none; }';

let server: ServiceProcess;
let dataDir: string;
/** A product's page with the element, under a policy without any exception for inline code and styles. */
let host: StaticServer;
/** Pages that show the app in a frame: of a listed origin, and of another. */
let framing: StaticServer;
let stranger: StaticServer;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'parley-embedding-'));
  const framePage = () => `<!doctype html><title>Host</title><iframe src="${server.url}/" title="Chat"></iframe>`;
  const page = () =>
    `<!doctype html><html lang="en"><title>Host</title><link rel="stylesheet" href="/host.css">
     <script type="module" src="${server.url}/embed/parley-chat.js"></script><main><h1>Host</h1><parley-chat></parley-chat></main>
     <script src="/host.js"></script></html>`;
  const headers: Record<string, string> = {};
  host = await serveFiles(
    (path) => ({ '/index.html': page(), '/host.js': hostScript, '/host.css': hostStyles })[path],
    () => true,
    headers,
  );
  [framing, stranger] = await Promise.all([serveFiles(framePage), serveFiles(framePage)]);
  server = await startEmbedded({ dataDir, env: { ALLOWED_ORIGINS: host.url, EMBED_ORIGINS: framing.url } });
  headers['content-security-policy'] = [
    "default-src 'none'",
    `script-src 'self' ${server.url}`,
    "style-src 'self'",
    'img-src blob:',
    `connect-src ${server.url} ${server.url.replace('http', 'ws')}`,
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ');
}, 120_000);
afterAll(async () => {
  for (const one of [host, framing, stranger]) one?.close();
  await server?.stop();
  await rm(dataDir, { recursive: true, force: true });
}, 120_000);

// After the server has started.
const browser = useTestBrowser(() => server.url);

const set = (page: Page, attributes: Readonly<Record<string, string>>) =>
  page.locator('parley-chat').evaluate((element, entries) => {
    for (const [name, value] of Object.entries(entries)) element.setAttribute(name, value);
  }, attributes);
const heard = (page: Page, type: string) =>
  page.evaluate((wanted) => hostPage.heard.filter((event) => event.type === wanted).map(({ detail }) => detail), type);

it('a page of another origin shows the chat as an element, which its strict policy and its own styles do not break', async () => {
  const [ann, ben] = await Promise.all([browser().client('Ann'), browser().client('Ben')]);
  const {
    conversation: { id },
  } = await ben.call('conversation.create', { kind: 'direct', memberIds: [ann.user.id] });
  await sendBy(ben, id, 'Hello, Ann');
  const { page } = await browser().open();
  await page.goto(host.url);
  await page.getByText('You are not signed in.').waitFor();
  const opened = page.waitForEvent('websocket');
  await set(page, { token: ann.session.accessToken, lang: 'en', theme: 'dusk' });
  const socket = await opened;

  await page.getByRole('button', { name: /Ben.*Hello, Ann/ }).click();
  await page.getByRole('log', { name: 'Messages' }).getByText('Hello, Ann').waitFor();
  await eventually(async () => (await heard(page, 'unread')).some(({ count }) => count === 1));
  await eventually(async () => (await heard(page, 'unread')).at(-1)?.['count'] === 0, { timeoutMs: 20_000 });
  await sendText(page, 'Hello, Ben');
  await ben.waitFor('message:new', ({ message }) => message.body === 'Hello, Ben');
  expect(await heard(page, 'ready')).toEqual([{ userId: ann.user.id }]);
  expect((await heard(page, 'conversation')).at(-1)).toEqual({ id });
  const color = await page
    .getByText('Hello, Ann')
    .last()
    .evaluate((text) => getComputedStyle(text).color);
  expect(color).not.toBe('rgb(255, 0, 0)');
  expect(await violationsOn(page, 'embedded')).toEqual([]);

  // Another token of the same user goes on where the first one ended.
  await page.getByRole('textbox', { name: 'Message' }).fill('Being written');
  await set(page, { token: (await ChatClient.login(server.url, ann.user.username, password)).session.accessToken });
  await eventually(async () => (await heard(page, 'ready')).length === 2);
  expect(await page.getByRole('textbox', { name: 'Message' }).inputValue()).toBe('Being written');
  await eventually(() => socket.isClosed());

  // Moving it keeps it; removing it ends the connection.
  const [again] = await Promise.all([
    page.waitForEvent('websocket'),
    page.locator('parley-chat').evaluate((element) => {
      element.remove();
      setTimeout(() => document.querySelector('main')!.append(element));
    }),
  ]);
  await page.getByRole('button', { name: /Ben.*Being written/ }).waitFor();
  await page.locator('parley-chat').evaluate((element) => element.parentElement!.prepend(element));
  expect(again.isClosed()).toBe(false);
  await set(page, { token: 'no token' });
  await page.getByText('Your session has ended.').waitFor();
  expect((await heard(page, 'error')).at(-1)).toMatchObject({ code: 'unauthenticated' });
  expect(again.isClosed()).toBe(true);
});

it('pages of listed origins show the app in a frame, and no others', async () => {
  const { page } = await browser().open();
  await page.goto(framing.url);
  await page.frameLocator('iframe').getByLabel('Username').waitFor();
  expect(browser().pageErrors).toEqual([]);
  const refused = page.waitForEvent('console', (entry) => entry.text().includes('frame-ancestors'));
  await page.goto(stranger.url);
  expect((await refused).text()).toContain(framing.url);
  expect(await page.frameLocator('iframe').getByLabel('Username').count()).toBe(0);
  browser().pageErrors.splice(0);
});

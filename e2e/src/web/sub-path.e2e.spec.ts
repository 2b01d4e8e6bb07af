import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createClient, memoryStorage, type ParleyClient } from '@parley/client';
import { eventually, ReverseProxy, uniqueName } from '@parley/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { modes, type OwnDeployment } from '../deployments/modes.js';
import { useTestBrowser } from './hooks.js';
import { conversationLink, messageRow, sendText, storedTick } from './test-browser.js';

interface WebManifest {
  readonly start_url: string;
  readonly scope: string;
  readonly icons: readonly { readonly src: string; readonly type: string; readonly sizes: string }[];
}

const terminal = join(import.meta.dirname, '../../../apps/terminal/dist/main.js');

describe.each(['embedded', 'cluster'] as const)('under a path behind a reverse proxy, %s mode', (mode) => {
  let deployment: OwnDeployment;
  let proxy: ReverseProxy;
  let folder: string;
  const clients: ParleyClient[] = [];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-sub-path-'));
    deployment = await modes[mode]({ BASE_PATH: '/chat', TRUST_PROXY: '1' });
    proxy = await ReverseProxy.to(deployment.urls[0]!, { path: '/chat' });
  });
  afterAll(async () => {
    for (const client of clients) client.disconnect();
    proxy?.close();
    await deployment?.stop();
    await rm(folder, { recursive: true, force: true });
  });
  const browser = useTestBrowser(() => proxy.url);
  /** A guest who uses the client library. */
  async function guest(displayName: string): Promise<ParleyClient> {
    const client = createClient({ url: proxy.url, storage: memoryStorage() });
    clients.push(client);
    await client.guest({ displayName });
    return client;
  }

  it('the web app signs in, sends, survives a reload, downloads a file, and opens without the server', async () => {
    const { page, name, username } = await browser().register(uniqueName('Ann'));
    expect(page.url()).toBe(`${proxy.url}/`);
    const benName = uniqueName('Ben');
    const ben = await guest(benName);
    const { items } = await ben.request<{ items: { id: string }[] }>('GET', '/users', { query: { query: username } });
    const { id } = await ben.createConversation({ kind: 'direct', memberIds: [items[0]!.id] });
    const notes = await ben.upload(new Blob(['Bring bread.']), { name: 'notes.txt' });
    await ben.send(id, { body: `Hello, ${name}`, type: 'document', attachmentIds: [notes.id] }).stored;
    expect(await (await fetch(ben.attachmentUrl(notes))).json()).toMatchObject({ code: 'unauthenticated' });

    await conversationLink(page, benName).click();
    await messageRow(page, 'Hello').waitFor();
    expect(page.url()).toBe(`${proxy.url}/c/${id}`);
    await sendText(page, 'From below');
    await storedTick(page, 'From below').waitFor();
    await eventually(() =>
      expect(ben.getState().conversations.get(id)?.conversation.lastMessage?.body).toBe('From below'),
    );
    await page.reload();
    await messageRow(page, 'From below').waitFor();

    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download notes.txt' }).click(),
    ]);
    await download.saveAs(join(folder, 'notes.txt'));
    expect(await readFile(join(folder, 'notes.txt'), 'utf8')).toBe('Bring bread.');

    const { scope, cached } = await page.evaluate(async () => {
      const registration = await navigator.serviceWorker.ready;
      const [cache] = await caches.keys();
      return {
        scope: registration.scope,
        cached: (await (await caches.open(cache!)).keys()).map(({ url }) => new URL(url).pathname),
      };
    });
    expect(scope).toBe(`${proxy.url}/`);
    expect(cached).toContain('/chat/');
    expect(cached.filter((path) => !path.startsWith('/chat/'))).toEqual([]);

    const devtools = await page.context().newCDPSession(page);
    const { url, errors, data } = await devtools.send('Page.getAppManifest');
    expect({ url, errors }).toEqual({ url: `${proxy.url}/manifest.webmanifest`, errors: [] });
    const { start_url, scope: appScope, icons } = JSON.parse(data!) as WebManifest;
    expect([start_url, appScope].map((path) => new URL(path, url).href)).toEqual([`${proxy.url}/`, `${proxy.url}/`]);
    for (const { src, type, sizes } of icons) {
      const answer = await fetch(new URL(src, url));
      expect(answer.headers.get('content-type')).toBe(type);
      const bytes = Buffer.from(await answer.arrayBuffer());
      const size = type === 'image/png' ? `${bytes.readUInt32BE(16)}x${bytes.readUInt32BE(20)}` : 'any';
      expect(size).toBe(sizes);
    }
    const { installabilityErrors } = await devtools.send('Page.getInstallabilityErrors');
    // The window of a test is private.
    expect(installabilityErrors.map(({ errorId }) => errorId)).toEqual(['in-incognito']);
    await page.context().setOffline(true);
    await page.reload();
    await page.getByText('No connection to the server').waitFor();
  });

  it('the path leads to the page below it', async () => {
    const { page } = await browser().open(undefined, '');
    expect(page.url()).toBe(`${proxy.url}/`);
    await page.getByLabel('Username').waitFor();
  });

  it('the terminal sends and shows messages', async () => {
    const title = uniqueName('Lighthouse');
    /** Runs the terminal with these lines as its input. */
    const run = async (input: string, ...args: string[]) => {
      const running = promisify(execFile)(
        process.execPath,
        [terminal, '--url', `${proxy.url}/`, '--guest', 'Watch', ...args],
        { env: { PATH: process.env['PATH'] ?? '', HOME: folder, XDG_STATE_HOME: folder, NODE_ENV: 'production' } },
      );
      running.child.stdin!.end(input);
      await running;
    };
    await run(`/new group ${title} public\n`, '--commands');
    const ben = await guest(uniqueName('Ben'));
    const { items } = await ben.request<{ items: { id: string }[] }>('GET', '/conversations/public', {
      query: { query: title },
    });
    const { id } = await ben.join(items[0]!.id);
    await ben.open(id);
    await run('All quiet\n', '--to', title);
    await eventually(() =>
      expect(
        ben
          .getState()
          .conversations.get(id)!
          .messages.map(({ body }) => body),
      ).toContain('All quiet'),
    );
  });
});

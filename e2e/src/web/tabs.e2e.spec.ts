import { eventually, uniqueName } from '@parley/testing';
import type { Page } from '@parley/testing/browser';
import { expect, it } from 'vitest';
import { useTestBrowser } from './hooks.js';
import { openConversation } from './test-browser.js';

const browser = useTestBrowser();

/** Changes the stored access token, so that the server refuses it, as it refuses one that has expired. */
const spoilAccessToken = (page: Page, url: string): Promise<void> =>
  page.evaluate(
    (name) =>
      new Promise<void>((resolve, reject) => {
        const opening = indexedDB.open(name);
        opening.onsuccess = () => {
          const writing = opening.result.transaction('values', 'readwrite');
          const store = writing.objectStore('values');
          const reading = store.get('session') as IDBRequest<{ accessToken: string }>;
          reading.onsuccess = () =>
            store.put({ ...reading.result, accessToken: `${reading.result.accessToken}x` }, 'session');
          writing.oncomplete = () => (opening.result.close(), resolve());
          writing.onerror = () => reject(writing.error!);
        };
      }),
    `parley ${url}`,
  );

it('tabs without Web Locks stay signed in when all refresh their session at once', async () => {
  const { page, context } = await browser().visitor(uniqueName('Ann'));
  await context.addInitScript(() => Reflect.deleteProperty(Navigator.prototype, 'locks'));
  await page.goto(`${browser().url}/favicon.svg`);
  await spoilAccessToken(page, browser().url);
  const refreshes: number[] = [];
  context.on('response', (response) => {
    if (response.url().endsWith('/auth/refresh')) refreshes.push(response.status());
  });
  const tabs = [page, ...(await Promise.all([context.newPage(), context.newPage()]))];
  await Promise.all(tabs.map((tab) => tab.goto(browser().url)));
  for (const tab of tabs) {
    expect(await tab.evaluate(() => 'locks' in navigator)).toBe(false);
    await tab.getByRole('navigation', { name: 'Parts of Parley' }).waitFor();
    await eventually(async () => expect(await tab.getByText('No connection to the server').count()).toBe(0));
  }
  await eventually(() => expect(refreshes).toEqual([200]));
  await tabs[2]!.getByRole('link', { name: 'Settings' }).first().click();
  await tabs[2]!.getByRole('button', { name: 'Log out' }).waitFor();
});

declare global {
  /** Set in the page by the test: it hears nothing of what other tabs store. */
  var isDeaf: boolean;
}

it('a draft follows the tab in which it is written, and a tab that missed that loses nothing of it', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  await ann.context.addInitScript(() =>
    addEventListener('storage', (event) => globalThis.isDeaf && event.stopImmediatePropagation()),
  );
  await ann.page.reload();
  await openConversation(ann, ben);
  const other = await ann.context.newPage();
  await other.goto(ann.page.url());
  const [one, two] = [ann.page, other].map((page) => page.getByRole('textbox', { name: 'Message' }));
  const shows = (field: typeof one, text: string) =>
    eventually(async () => expect(await field!.inputValue()).toBe(text));
  await one!.fill('Half');
  await shows(two, 'Half');
  await two!.fill('Half a sentence');
  await shows(one, 'Half a sentence');

  await ann.page.evaluate(() => void (globalThis.isDeaf = true));
  await two!.fill('Another one');
  const list = { name: 'list.txt', mimeType: 'text/plain', buffer: Buffer.from('Bread') };
  await ann.page.locator('.composer input[type=file]').setInputFiles([list]);
  await shows(one, 'Another one');
  await shows(two, 'Another one');
  await ann.page.getByRole('progressbar').waitFor({ state: 'detached' });
  await two!.fill('The other tab');
  await one!.fill('This tab');
  await shows(one, 'This tab\nThe other tab');
  await shows(two, 'This tab\nThe other tab');
  await ann.page.getByText('What you wrote in another tab was added.').waitFor();
});

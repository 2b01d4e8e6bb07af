import { eventually, uniqueName } from '@parley/testing';
import type { Page } from '@parley/testing/browser';
import { expect, it } from 'vitest';
import { useTestBrowser } from './hooks.js';

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

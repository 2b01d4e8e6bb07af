import { uniqueName } from '@parley/testing';
import { expect, it } from 'vitest';
import { useTestBrowser } from './hooks.js';
import { openConversation, sendText, storedTick } from './test-browser.js';

const browser = useTestBrowser();

it('a panel whose script is gone says so and offers a reload, and the rest of the app works on', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  const { page, context } = ann;
  await openConversation(ann, ben);
  // A service worker would still have the script.
  await page.addInitScript(() => Reflect.deleteProperty(Navigator.prototype, 'serviceWorker'));
  await page.evaluate(async () => {
    for (const registration of await navigator.serviceWorker.getRegistrations()) await registration.unregister();
  });
  await page.reload();
  await context.route('**/assets/board-*.js', (route) => route.fulfill({ status: 404 }));
  await context.route('**/assets/peer-panel-*.js', (route) => route.fulfill({ status: 404 }));
  await page.getByRole('textbox', { name: 'Message', exact: true }).fill('Half a sentence');
  await page.getByRole('button', { name: 'More' }).click();
  await page.getByRole('menuitem', { name: 'Drawing board' }).click();
  const panel = page.getByRole('complementary', { name: 'This panel can’t be shown' });
  await panel.getByText('This part could not be loaded.').waitFor();
  await sendText(page, 'Still here');
  await storedTick(page, 'Still here').waitFor();
  await panel.getByRole('button', { name: 'Close' }).click();
  await panel.waitFor({ state: 'detached' });

  await context.route('**/rooms', (route) =>
    route.fulfill({ contentType: 'text/html', body: '<script type="module" src="/assets/index-next.js"></script>' }),
  );
  await page.getByRole('textbox', { name: 'Message', exact: true }).fill('Half a sentence');
  await page.getByRole('button', { name: 'More' }).click();
  await page.getByRole('menuitem', { name: 'Direct connection' }).click();
  await panel.getByRole('heading', { name: 'A new version is here' }).waitFor();
  await context.unroute('**/assets/peer-panel-*.js');
  await Promise.all([page.waitForEvent('load'), panel.getByRole('button', { name: 'Reload' }).click()]);
  await page.getByRole('button', { name: 'More' }).click();
  await page.getByRole('menuitem', { name: 'Direct connection' }).click();
  await page.getByText('Not stored.').waitFor();
  expect(await page.getByRole('textbox', { name: 'Message', exact: true }).inputValue()).toBe('Half a sentence');
});

import { uniqueName } from '@parley/testing';
import { expect, it } from 'vitest';
import { useTestBrowser } from './hooks.js';
import { openConversationId, messageRow, phone, sendText } from './test-browser.js';

const browser = useTestBrowser();

it('the form for a new room does not move when people are loaded', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  await browser().client(uniqueName('Ben'));
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  await ann.page.route('**/api/v1/users?*', async (route) => {
    await released;
    await route.continue();
  });
  await ann.page.getByRole('link', { name: 'Rooms', exact: true }).click();
  await ann.page.getByRole('button', { name: 'New room' }).click();
  const button = ann.page.getByRole('button', { name: 'Create group' });
  await button.hover();
  const before = await button.boundingBox();
  release();
  await ann.page.locator('.person').first().waitFor();
  expect(await button.boundingBox()).toEqual(before);
});

it('a guest enters a room by its address', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const title = uniqueName('Hiking');
  await ann.page.getByRole('link', { name: 'Rooms', exact: true }).click();
  await ann.page.getByRole('button', { name: 'New room' }).click();
  await ann.page.getByLabel('Name').fill(title);
  await ann.page.getByRole('radio', { name: 'Colour #a8326b' }).check();
  await ann.page.getByRole('button', { name: 'Create group' }).click();
  await ann.page.getByRole('log', { name: 'Messages' }).waitFor();
  await sendText(ann.page, 'Who comes along?');

  const { page } = await browser().open(phone, `/r/${openConversationId(ann.page)}`);
  await page.getByRole('region', { name: 'Invitation' }).getByText(title).waitFor();
  await page.getByRole('button', { name: /guest/ }).click();
  await page.getByRole('heading', { name: title }).waitFor();
  await page.getByRole('button', { name: 'Join this room' }).click();
  await messageRow(page, 'Who comes along?').waitFor();
  await sendText(page, 'Me!');
  await messageRow(ann.page, 'Me!').waitFor();

  // A muted guest sees why they cannot write.
  await ann.page.getByRole('button', { name: 'Details and members' }).click();
  await ann.page.getByRole('button', { name: /^Actions for/ }).click();
  await ann.page.getByRole('menuitem', { name: 'Mute', exact: true }).click();
  await page.getByText('You are muted here').waitFor();
});

import { eventually, uniqueName } from '@parley/testing';
import { expect, it } from 'vitest';
import { useTestBrowser } from './hooks.js';
import { keptByBrowser } from './kept-by-browser.js';
import { conversationLink, messageRow, password, sendText, startConversation, storedTick } from './test-browser.js';

const browser = useTestBrowser();

it('after logging out, the next user of the browser finds nothing of the one before', async () => {
  const ben = await browser().register(uniqueName('Ben'));
  const ann = await browser().visitor(uniqueName('Ann'));
  const { page } = ann;
  await startConversation(page, ben.name);
  await sendText(page, 'A message of Ann');
  await storedTick(page, 'A message of Ann').waitFor();
  await conversationLink(ben.page, ann.name).click();
  await page.getByRole('button', { name: 'More' }).click();
  await page.getByRole('menuitem', { name: 'Direct connection' }).click();
  await page.getByRole('button', { name: 'Connect', exact: true }).click();
  await ben.page.getByRole('button', { name: 'Accept' }).click();
  await page.getByRole('textbox', { name: 'Message that is not stored' }).fill('A whisper of Ann');
  await page.keyboard.press('Enter');
  await ben.page.getByText('A whisper of Ann').waitFor();
  await page.getByRole('textbox', { name: 'Message', exact: true }).fill('A draft of Ann');
  const large = {
    name: 'ann-large.bin',
    mimeType: 'application/octet-stream',
    buffer: Buffer.alloc(5 * 1024 * 1024, 1),
  };
  await page.route('**/api/v1/uploads/*', () => undefined);
  await page
    .locator('.composer input[type=file]')
    .setInputFiles([{ name: 'ann.txt', mimeType: 'text/plain', buffer: Buffer.from('A file of Ann') }, large]);
  await eventually(async () => {
    const kept = (await keptByBrowser(page)).join('\n');
    for (const text of ['A draft of Ann', 'A file of Ann', 'upload/ann-large.bin']) expect(kept).toContain(text);
  });

  await page.getByRole('link', { name: 'Settings', exact: true }).click();
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByLabel('Username').waitFor();
  await ben.page.getByText('The connection has ended.').waitFor();
  // A preference of the device stays: notifications, the colours.
  await eventually(async () =>
    expect((await keptByBrowser(page)).filter((entry) => !/^parley:(?:notify-|theme)/.test(entry))).toEqual([]),
  );

  // The next user is the other one of that conversation.
  await page.getByLabel('Username').fill(ben.username);
  await page.getByLabel('Password').fill(password);
  await page.locator('form').getByRole('button', { name: 'Log in' }).click();
  await conversationLink(page, ann.name).click();
  await messageRow(page, 'A message of Ann').waitFor();
  expect(await page.getByRole('textbox', { name: 'Message', exact: true }).inputValue()).toBe('');
  expect(await page.getByRole('list', { name: 'Files to send' }).count()).toBe(0);
  await page.getByRole('button', { name: 'More' }).click();
  await page.getByRole('menuitem', { name: 'Direct connection' }).click();
  await page.getByText('Not stored.').waitFor();
  expect(await page.getByText('A whisper of Ann').count()).toBe(0);
  await page.getByRole('link', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Protocol log' }).click();
  await page.getByRole('searchbox', { name: 'Filter by event' }).fill('session:ready');
  await page.getByRole('region', { name: 'Frames' }).getByText('session:ready').first().waitFor();
  expect(await page.getByRole('region', { name: 'Frames' }).getByText('session:ready').count()).toBe(1);
});

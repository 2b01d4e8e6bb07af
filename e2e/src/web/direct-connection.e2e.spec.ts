import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { uniqueName } from '@parley/testing';
import type { Page } from '@parley/testing/browser';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { useTestBrowser } from './hooks.js';
import { conversationLink, openConversation, sendText } from './test-browser.js';

const browser = useTestBrowser();

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-saved-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function openPanel(page: Page): Promise<void> {
  await page.locator('.conversation-head').getByRole('button', { name: 'More' }).click();
  await page.getByRole('menuitem', { name: 'Direct connection' }).click();
}
const logOf = (page: Page) => page.getByRole('log', { name: 'Messages that are not stored' });
async function say(page: Page, text: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Message that is not stored' }).fill(text);
  await page.keyboard.press('Enter');
}

it('messages and files go from browser to browser, and are kept on a device that is asked to', async () => {
  const [ann, ben] = await Promise.all([browser().visitor(uniqueName('Ann')), browser().visitor(uniqueName('Ben'))]);
  await openConversation(ann, ben.client);
  await sendText(ann.page, 'Hello');
  await conversationLink(ben.page, ann.name).click();
  await openPanel(ann.page);
  await ann.page.getByText('Not stored.').waitFor();
  await ann.page.getByRole('button', { name: 'Connect', exact: true }).click();
  await ben.page.getByRole('button', { name: 'Accept' }).click();
  await say(ann.page, 'Between us');
  await logOf(ben.page).getByText('Between us').waitFor();

  const bytes = Buffer.alloc(700_000, 'file of Ann ');
  await ann.page
    .locator('.peer-line input[type=file]')
    .setInputFiles({ name: '../plan.txt', mimeType: 'text/html', buffer: bytes });
  await ben.page.getByRole('button', { name: 'Receive' }).click();
  await ann.page.getByText('Arrived').waitFor();
  const download = ben.page.waitForEvent('download');
  await ben.page.getByRole('button', { name: 'Save', exact: true }).click();
  expect((await download).suggestedFilename()).toBe('plan.txt');
  const path = join(folder, 'plan.txt');
  await (await download).saveAs(path);
  expect((await readFile(path)).equals(bytes)).toBe(true);

  const keeping = ben.page.getByRole('switch', { name: /Keep on this device/ });
  await keeping.check();
  const panel = ben.page.getByRole('complementary', { name: 'Direct connection' });
  await panel.getByRole('button', { name: 'Close' }).click();
  await ben.page.getByText('The direct connection stays open.').waitFor();
  await ann.page.getByText('has closed this panel').waitFor();
  await say(ann.page, 'Are you there?');
  await ben.page.getByText('A direct message came.').waitFor();
  await openPanel(ben.page);
  await logOf(ben.page).getByText('Are you there?').waitFor();
  await ann.page.getByText('has closed this panel').waitFor({ state: 'detached' });

  await ben.page.reload();
  await ann.page.getByText('The other side hung up.').or(ann.page.getByText('The connection has ended.')).waitFor();
  await openPanel(ben.page);
  await ben.page.getByText('Kept on this device only.').waitFor();
  await logOf(ben.page).getByText('Between us').waitFor();
  await keeping.uncheck();
  await ben.page.reload();
  await openPanel(ben.page);
  await ben.page.getByText('Not stored.').waitFor();
  expect(await ben.page.getByText('Between us').count()).toBe(0);
});

import { uniqueName } from '@parley/testing';
import type { Page } from '@parley/testing/browser';
import { expect, it } from 'vitest';
import { violationsOn } from './axe.js';
import { useTestBrowser } from './hooks.js';
import { conversationLink, messageRow, openConversation, openConversationId, phone, sendBy } from './test-browser.js';

const browser = useTestBrowser();

const findDialog = (page: Page) => page.getByRole('dialog', { name: 'Find' });
const field = (page: Page) => findDialog(page).getByRole('combobox');
const option = (page: Page, name: string) => findDialog(page).getByRole('option', { name });
const selected = (page: Page) => findDialog(page).getByRole('option', { selected: true });

it('Ctrl+K finds a person, a chat, a room and a message, and Enter opens them', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const { page } = ann;
  const [ben, eve] = await Promise.all([browser().client(uniqueName('Ben')), browser().client(uniqueName('Eve'))]);
  const word = uniqueName('radish');
  await openConversation(ann, ben);
  const chatId = openConversationId(page);
  await sendBy(ben, chatId, `A ${word} for you`);
  await messageRow(page, word).waitFor();
  const roomName = uniqueName('Allotment');
  await eve.call('conversation.create', { kind: 'group', visibility: 'public', title: roomName, memberIds: [] });

  const find = async (query: string, kind: string, name: string) => {
    await page.keyboard.press('Control+k');
    await field(page).fill(query);
    await option(page, name).filter({ hasText: kind }).waitFor();
    while (!(await selected(page).textContent())!.includes(kind)) await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await findDialog(page).waitFor({ state: 'detached' });
  };
  await find(roomName, 'Room', roomName);
  await page.waitForURL(/\/r\//);
  await find(eve.user.displayName, 'Person', eve.user.displayName);
  await page.locator('.conversation-head h2', { hasText: eve.user.displayName }).waitFor();
  await find(ben.user.displayName, 'Chat', ben.user.displayName);
  await page.locator('.conversation-head h2', { hasText: ben.user.displayName }).waitFor();
  await find('rooms', 'Action', 'Browse rooms');
  await page.waitForURL(/\/rooms$/);
  await find(word, 'Message', word);
  await page.locator('.message.flash', { hasText: word }).waitFor();
});

it('an empty field shows the most recent chats first, and Escape gives the focus back', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const { page } = ann;
  const [ben, eve] = await Promise.all([browser().client(uniqueName('Ben')), browser().client(uniqueName('Eve'))]);
  await openConversation(ann, ben);
  await openConversation(ann, eve);
  await sendBy(eve, openConversationId(page), 'I am the newest');
  await messageRow(page, 'I am the newest').waitFor();
  await page.getByRole('textbox', { name: 'Message' }).focus();
  await page.keyboard.press('Control+k');
  await field(page).waitFor();
  const titles = await findDialog(page).getByRole('option').locator('.grow > span').allTextContents();
  expect(titles.slice(0, 3)).toEqual([eve.user.displayName, ben.user.displayName, 'New chat']);
  expect(await violationsOn(page, 'find')).toEqual([]);
  await page.keyboard.press('Escape');
  await findDialog(page).waitFor({ state: 'detached' });
  expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toBe('Message');
});

it('results of the server appear below the selected one, which stays where it is', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const { page } = ann;
  const name = uniqueName('Settings');
  await browser().client(name);
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  await page.route('**/api/v1/users?*', async (route) => {
    await released;
    await route.continue();
  });
  await page.keyboard.press('Control+k');
  await field(page).fill('settings');
  await option(page, 'Settings').first().waitFor();
  const top = async () => (await selected(page).boundingBox())!.y;
  const before = await top();
  release();
  await findDialog(page).getByRole('option').filter({ hasText: 'Person' }).first().waitFor();
  expect([await selected(page).locator('.grow > span').textContent(), await top()]).toEqual(['Settings', before]);
});

it('on a phone, a button opens it, and a tap runs an action', async () => {
  const { page } = await browser().visitor(uniqueName('Ann'), phone);
  await page.getByRole('button', { name: 'Find anything' }).click();
  await field(page).fill('new group');
  expect(await violationsOn(page, 'find on a phone')).toEqual([]);
  await option(page, 'New group').click();
  await page.getByRole('dialog', { name: 'New chat' }).getByRole('button', { name: 'Create group' }).waitFor();
});

it('logging out by the dialog asks first', async () => {
  const { page } = await browser().visitor(uniqueName('Ann'));
  await page.keyboard.press('Control+k');
  await field(page).fill('log out');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog', { name: 'Log out now?' }).getByRole('button', { name: 'Log out' }).click();
  await page.getByLabel('Username').waitFor();
});

it('a question mark lists the keys, but is a character in a text field', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const { page } = ann;
  const ben = await browser().client(uniqueName('Ben'));
  const dialog = page.getByRole('dialog', { name: 'Keys' });
  await openConversation(ann, ben);
  await page.getByRole('textbox', { name: 'Message' }).pressSequentially('Really?');
  expect(await page.getByRole('textbox', { name: 'Message' }).inputValue()).toBe('Really?');
  expect(await dialog.count()).toBe(0);
  await conversationLink(page, ben.user.displayName).focus();
  await page.keyboard.press('?');
  await dialog.getByText('Find people, chats, rooms, messages and actions').waitFor();
  await dialog
    .getByText('Edit your last message', { exact: false })
    .or(dialog.getByText('edit your last message'))
    .first()
    .waitFor();
  expect(await violationsOn(page, 'keys')).toEqual([]);
});

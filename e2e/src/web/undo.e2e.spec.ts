import { uniqueName } from '@parley/testing';
import type { Locator, Page } from '@parley/testing/browser';
import { expect, it } from 'vitest';
import { useTestBrowser } from './hooks.js';
import { conversationLink, messageRow, sendBy } from './test-browser.js';

const browser = useTestBrowser();

const undoButton = (page: Page): Locator => page.getByRole('button', { name: 'Undo', exact: true });

async function deleteMessage(page: Page, text: string): Promise<void> {
  await messageRow(page, text).hover();
  await messageRow(page, text).getByRole('button', { name: 'More' }).click();
  await page.getByRole('menuitem', { name: 'Delete' }).click();
  await messageRow(page, text).waitFor({ state: 'detached' });
}

it('a deletion is undone by button or key, takes place when the page is left, and is taken back when it fails', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  const { page } = ann;
  const { conversation } = await ben.call('conversation.create', { kind: 'direct', memberIds: [ann.client.user.id] });
  await ann.client.http('message.send', { conversationId: conversation.id, clientId: uniqueName('m'), body: 'First' });
  const { message } = await ann.client.http('message.send', {
    conversationId: conversation.id,
    clientId: uniqueName('m'),
    body: 'Second',
  });
  await conversationLink(page, ben.user.displayName).click();

  await deleteMessage(page, 'First');
  await page.getByRole('status').filter({ hasText: 'Message deleted' }).waitFor();
  await undoButton(page).click();
  await messageRow(page, 'First').waitFor();

  await deleteMessage(page, 'Second');
  expect(await page.evaluate(() => document.activeElement?.textContent)).toContain('This message was deleted');
  await page.keyboard.press('Control+z');
  await messageRow(page, 'Second').waitFor();
  expect(await undoButton(page).count()).toBe(0);

  await page.route('**/api/v1/messages/*', (route) => route.abort());
  await deleteMessage(page, 'First');
  // Another deletion ends the time to undo the one before, which the server does not get.
  await deleteMessage(page, 'Second');
  await messageRow(page, 'First').waitFor();
  await page.unrouteAll();
  await page.reload();
  const deleted = await ben.waitFor('message:updated', (event) => event.message.deletedAt !== undefined);
  expect(deleted.payload.message.id).toBe(message.id);
  await messageRow(page, 'First').waitFor();
});

it('leaving a group can be undone, and takes place after some seconds', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  const { page } = ann;
  const { conversation } = await ben.call('conversation.create', {
    kind: 'group',
    title: 'Choir',
    memberIds: [ann.client.user.id],
  });
  await sendBy(ben, conversation.id, 'We sing on Friday');
  await conversationLink(page, 'Choir').click();
  await messageRow(page, 'We sing').waitFor();
  const leave = async () => {
    await page.locator('.conversation-head').getByRole('button', { name: 'More' }).click();
    await page.getByRole('menuitem', { name: 'Leave' }).click();
    await conversationLink(page, 'Choir').waitFor({ state: 'detached' });
  };
  await leave();
  await undoButton(page).click();
  await messageRow(page, 'We sing').waitFor();
  const { me } = (await ann.client.http('conversation.get', { conversationId: conversation.id })).conversation;
  expect(me?.status).toBe('active');
  await leave();
  await ben.waitFor('member:changed', (event) => 'left' in event && event.userId === ann.client.user.id);
  await undoButton(page).waitFor({ state: 'detached' });
  expect(await conversationLink(page, 'Choir').count()).toBe(0);
});

import { uniqueName } from '@parley/testing';
import { expect, it } from 'vitest';
import { useTestBrowser } from './hooks.js';
import { conversationLink, openConversation, sendText } from './test-browser.js';

const browser = useTestBrowser();

it('messages go from browser to browser without being stored', async () => {
  const [ann, ben] = await Promise.all([browser().visitor(uniqueName('Ann')), browser().visitor(uniqueName('Ben'))]);
  await openConversation(ann, ben.client);
  await sendText(ann.page, 'Hello');
  await conversationLink(ben.page, ann.name).click();
  await ann.page.getByRole('button', { name: 'More' }).click();
  await ann.page.getByRole('menuitem', { name: 'Direct connection' }).click();
  await ann.page.getByText('Not stored.').waitFor();
  await ann.page.getByRole('button', { name: 'Connect', exact: true }).click();
  await ben.page.getByRole('button', { name: 'Accept' }).click();
  await ann.page.getByRole('textbox', { name: 'Message that is not stored' }).fill('Between us');
  await ann.page.keyboard.press('Enter');
  await ben.page.getByRole('log', { name: 'Messages that are not stored' }).getByText('Between us').waitFor();
  await ben.page.reload();
  await ben.page.getByRole('log', { name: 'Messages' }).waitFor();
  expect(await ben.page.getByText('Between us').count()).toBe(0);
});

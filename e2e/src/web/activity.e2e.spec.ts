import { uniqueName } from '@parley/testing';
import { expect, it } from 'vitest';
import { useTestBrowser } from './hooks.js';
import { messageRow, sendBy } from './test-browser.js';

const browser = useTestBrowser();

it('mentions, replies and invitations are listed with their time, lead to their message, and are new until read', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  const { page } = ann;
  const { user } = ann.client;
  const { conversation } = await ben.call('conversation.create', {
    kind: 'group',
    title: 'Orchard',
    memberIds: [user.id],
  });
  const { message } = await ann.client.http('message.send', {
    conversationId: conversation.id,
    clientId: uniqueName('m'),
    body: 'Are the apples ripe?',
  });
  await ben.call('message.send', {
    conversationId: conversation.id,
    clientId: uniqueName('m'),
    body: 'Almost',
    replyTo: message.id,
  });
  await sendBy(ben, conversation.id, `@${user.username} come and see`);
  const link = page.getByRole('link', { name: /^Activity/ });
  await link.getByLabel('New').waitFor();
  await link.click();
  const list = page.getByRole('list', { name: 'Mentions, replies and invitations' });
  await list.getByText('come and see').waitFor();
  expect(
    (await list.getByRole('listitem').allTextContents()).map((text) => /mentioned|replied|added/.exec(text)?.[0]),
  ).toEqual(['mentioned', 'replied', 'added']);
  expect(await list.getByLabel('Unread').count()).toBeGreaterThanOrEqual(2);
  await list.getByRole('link', { name: /Almost/ }).click();
  await messageRow(page, 'come and see').waitFor();
  await link.getByLabel('New').waitFor({ state: 'detached' });
});

it('the page about Parley tells everybody version, kind of server, limits and licences', async () => {
  const { page } = await browser().open();
  await page.getByRole('link', { name: 'About Parley' }).click();
  await page.getByText('Everything in one process, with its own database').waitFor();
  await page.getByText('8.0 KB').waitFor();
  expect(await page.locator('.facts').first().textContent()).toMatch(/Version\d+\.\d+\.\d+/);
  await page.getByText('Software in this app').click();
  const entry = page.locator('.licences li', { hasText: 'react-dom' });
  await entry.locator('summary').click();
  await entry.getByText('Permission is hereby granted').waitFor();
  await page.getByRole('link', { name: 'Back' }).click();
  await page.getByLabel('Username').waitFor();
});

it('a guest who logs out is told what is lost, and offered an account', async () => {
  const { page } = await browser().open();
  await page.getByRole('button', { name: 'Look around as a guest' }).click();
  await page.getByRole('link', { name: 'Settings', exact: true }).click();
  await page.getByRole('button', { name: 'Log out' }).click();
  const dialog = page.getByRole('dialog', { name: 'Log out now?' });
  await dialog.getByText('You are a guest').waitFor();
  await dialog.getByRole('button', { name: 'Create an account' }).click();
  await page.getByRole('heading', { name: 'You are here as a guest' }).waitFor();
  await page.getByRole('button', { name: 'Log out' }).click();
  await dialog.getByRole('button', { name: 'Log out' }).click();
  await page.getByLabel('Username').waitFor();
});

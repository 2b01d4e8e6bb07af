import { uniqueName } from '@parley/testing';
import { expect, it } from 'vitest';
import { violationsOn } from './axe.js';
import { useTestBrowser } from './hooks.js';
import { desktop, messageRow, phone, sendBy, sendText, type Size } from './test-browser.js';

const browser = useTestBrowser();

async function violationsOnAllPages(size: Size): Promise<string[]> {
  const { page: signIn } = await browser().open(size);
  const found = await violationsOn(signIn, 'log in');
  await signIn.getByRole('button', { name: 'Create account' }).first().click();
  found.push(...(await violationsOn(signIn, 'register')));

  const { page, username } = await browser().register(uniqueName('Ann'), size);
  found.push(...(await violationsOn(page, 'empty list')));
  const ben = await browser().client(uniqueName('Ben'));
  const { conversation } = await ben.call('conversation.create', {
    kind: 'group',
    visibility: 'public',
    color: '#ffd400',
    title: uniqueName('Room'),
    topic: 'All of it',
    memberIds: [(await ben.http('user.list', { query: username })).items[0]!.id],
  });
  const { message: first } = await sendBy(ben, conversation.id, 'Hello https://example.org @nobody');
  await ben.call('reaction.add', { messageId: first.id, emoji: '🎉' });
  await ben.http('message.pin', { messageId: first.id });
  await sendBy(ben, conversation.id, 'Another one');
  await page.goto(`${browser().url}/c/${conversation.id}`);
  await sendText(page, 'Mine');
  await messageRow(page, 'Mine').hover();
  found.push(...(await violationsOn(page, 'conversation')));
  for (const [name, panel] of [
    ['Details', 'Details'],
    ['Pinned messages', 'Pinned messages'],
    ['Drawing board', 'Drawing board'],
    ['Search', 'Search messages'],
  ] as const) {
    if (name === 'Details') await page.locator('.conversation-head .who').click();
    else if (name === 'Search') await page.getByRole('button', { name: 'Search messages' }).click();
    else {
      await page.locator('.conversation-head').getByRole('button', { name: 'More' }).click();
      await page.getByRole('menuitem', { name }).click();
    }
    await page.getByRole('complementary', { name: panel }).waitFor();
    found.push(...(await violationsOn(page, panel)));
    await page.getByRole('complementary', { name: panel }).getByRole('button', { name: 'Close' }).click();
  }
  for (const path of [
    '/rooms',
    '/activity',
    '/about',
    '/people',
    '/settings',
    '/settings/devices',
    '/r/0198c2f0-0000-7000-8000-000000000000',
  ]) {
    await page.goto(browser().url + path);
    await page.locator('.main h1, .main h2').first().waitFor();
    found.push(...(await violationsOn(page, path)));
  }
  await page.goto(`${browser().url}/settings`);
  await page.getByRole('button', { name: 'Protocol log' }).click();
  await page.getByRole('dialog', { name: 'Protocol log' }).waitFor();
  found.push(...(await violationsOn(page, 'protocol log')));
  await page.goto(`${browser().url}/rooms`);
  await page.getByRole('button', { name: 'New room' }).click();
  await page.getByRole('dialog').waitFor();
  found.push(...(await violationsOn(page, 'new room')));
  return found;
}

it('axe finds nothing serious on any page, on a desktop and on a phone', async () => {
  expect((await Promise.all([desktop, phone].map((size) => violationsOnAllPages(size)))).flat()).toEqual([]);
});

import { uniqueName } from '@parley/testing';
import { expect, it } from 'vitest';
import { violationsOn } from './axe.js';
import { useTestBrowser } from './hooks.js';
import { messageRow, phone, sendBy, type Size } from './test-browser.js';

const browser = useTestBrowser();

/** A window of a member of a group that Ben created. Ben has written into it. */
async function openGroup(size?: Size) {
  const { page, client } = await browser().visitor(uniqueName('Ann'), size);
  const ben = await browser().client(uniqueName('Ben'));
  const { conversation } = await ben.call('conversation.create', {
    kind: 'group',
    title: 'Garden',
    memberIds: [client.user.id],
  });
  await sendBy(ben, conversation.id, 'The roses are out');
  await page.goto(`${browser().url}/c/${conversation.id}`);
  await messageRow(page, 'The roses').waitFor();
  return { page, client, ben, id: conversation.id, card: page.getByRole('dialog', { name: ben.user.displayName }) };
}

it('an avatar and a name beside a message open the card, which shows presence and common conversations', async () => {
  const { page, ben, card } = await openGroup();
  await page.locator('.message-face button').click();
  await card.getByText('Online').waitFor();
  await card.getByText(`@${ben.user.username}`).waitFor();
  await card.getByRole('navigation', { name: 'Common chats' }).getByRole('link', { name: 'Garden' }).waitFor();
  expect(await violationsOn(page, 'person card')).toEqual([]);
  await page.keyboard.press('Escape');
  await card.waitFor({ state: 'detached' });
  await page.getByRole('button', { name: `About ${ben.user.displayName}` }).click();
  await card.getByRole('button', { name: 'Write' }).click();
  await page.locator('.conversation-head h2', { hasText: ben.user.displayName }).waitFor();
  expect(await card.count()).toBe(0);
});

it('the keyboard opens the card of a message’s sender and mentions them', async () => {
  const { page, ben, card } = await openGroup();
  const row = messageRow(page, 'The roses');
  await row.focus();
  const focused = () =>
    page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent);
  for (let step = 0; step < 5 && (await focused()) !== 'More'; step++) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  for (let step = 0; step < 9 && (await focused()) !== 'About the sender'; step++)
    await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await card.getByRole('button', { name: 'Mention' }).focus();
  await page.keyboard.press('Enter');
  await card.waitFor({ state: 'detached' });
  await page.keyboard.type('look');
  expect(await page.getByRole('textbox', { name: 'Message' }).inputValue()).toBe(`@${ben.user.username} look`);
});

it('the card offers moderation only to those whose role allows it', async () => {
  const { page, client, ben, id, card } = await openGroup(phone);
  const open = () => page.getByRole('button', { name: `About ${ben.user.displayName}` }).click();
  await open();
  await card.getByRole('button', { name: 'Mention' }).waitFor();
  expect(await card.getByRole('button', { name: 'Mute', exact: true }).count()).toBe(0);
  expect(await violationsOn(page, 'person card on a phone')).toEqual([]);
  await page.keyboard.press('Escape');
  await ben.http('member.update', { conversationId: id, userId: client.user.id, role: 'creator' });
  await open();
  await card.getByRole('button', { name: 'Mute', exact: true }).click();
  await ben.waitFor(
    'member:changed',
    (change) => 'member' in change && change.member.userId === ben.user.id && change.member.status === 'muted',
  );
  await card.getByRole('button', { name: 'Unmute' }).waitFor();
});

import { eventually, uniqueName } from '@parley/testing';
import { expect, it } from 'vitest';
import { useTestBrowser } from './hooks.js';
import {
  conversationLink,
  messageRow,
  openConversation,
  phone,
  sendBy,
  sendText,
  startConversation,
  storedTick,
  tick,
} from './test-browser.js';

const browser = useTestBrowser();

it('two people see each other’s presence, typing, messages and receipts', async () => {
  const [ann, ben] = await Promise.all([
    browser().register(uniqueName('Ann')),
    browser().register(uniqueName('Ben'), phone),
  ]);
  await startConversation(ann.page, ben.name);
  await ann.page.locator('.conversation-head', { hasText: 'Online' }).waitFor();
  await sendText(ann.page, 'Hello, Ben');
  await tick(ann.page, 'Hello, Ben', 'delivered').waitFor();

  await conversationLink(ben.page, ann.name).getByLabel('1 unread').waitFor();
  await conversationLink(ben.page, ann.name).click();
  await messageRow(ben.page, 'Hello, Ben').waitFor();
  await tick(ann.page, 'Hello, Ben', 'read').waitFor();

  await ben.page.getByRole('textbox', { name: 'Message' }).pressSequentially('Hi');
  await ann.page.getByText('typing…').first().waitFor();
  await sendText(ben.page, 'Hi, Ann');
  await messageRow(ann.page, 'Hi, Ann').waitFor();
  await ann.page.getByText('typing…').first().waitFor({ state: 'detached' });

  await ben.context.close();
  await ann.page.locator('.conversation-head', { hasText: 'Last seen' }).waitFor();
});

it('an edit, a reply, a reaction and a deletion appear at the other side at once', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  await openConversation(ann, ben);
  await sendText(ann.page, 'Frist');
  const bubble = messageRow(ann.page, 'Frist');
  await storedTick(ann.page, 'Frist').waitFor();
  await bubble.hover();
  await bubble.getByRole('button', { name: 'More' }).click();
  await ann.page.getByRole('menuitem', { name: 'Edit' }).click();
  await ann.page.getByRole('textbox', { name: 'Message' }).fill('First');
  await ann.page.keyboard.press('Enter');
  await messageRow(ann.page, 'First').getByText('edited').waitFor();

  const {
    payload: {
      message: { id, conversationId },
    },
  } = await ben.waitFor('message:updated', ({ message }) => message.body === 'First');
  await ben.call('reaction.add', { messageId: id, emoji: '🎉' });
  await messageRow(ann.page, 'First')
    .getByRole('button', { name: `🎉 1, ${ben.user.displayName}` })
    .click();
  await ben.waitFor('message:updated', ({ message }) => message.reactions[0]?.count === 2);

  const { message: reply } = await ben.call('message.send', {
    conversationId,
    clientId: uniqueName('m'),
    body: 'Second',
    replyTo: id,
  });
  await messageRow(ann.page, 'Second').locator('.quote', { hasText: 'First' }).click();
  await messageRow(ann.page, 'First').first().hover();
  await messageRow(ann.page, 'First').first().getByRole('button', { name: 'More' }).click();
  await ann.page.getByRole('menuitem', { name: 'Delete' }).click();
  await ann.page.getByText('This message was deleted').first().waitFor();
  // The time to undo ends with the page.
  await ann.page.reload();
  await ben.waitFor('message:updated', ({ message }) => message.id === id && message.deletedAt !== undefined);
  expect(reply.replyTo).toBe(id);
});

it('a forwarded message names its first sender', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const [ben, eve] = await Promise.all([browser().client(uniqueName('Ben')), browser().client(uniqueName('Eve'))]);
  const {
    conversation: { id },
  } = await ben.call('conversation.create', { kind: 'group', title: 'Garden', memberIds: [ann.client.user.id] });
  await sendBy(ben, id, 'The roses are out');
  await openConversation(ann, eve);
  await conversationLink(ann.page, 'Garden').click();
  await messageRow(ann.page, 'The roses').hover();
  await messageRow(ann.page, 'The roses').getByRole('button', { name: 'More' }).click();
  await ann.page.getByRole('menuitem', { name: 'Forward' }).click();
  const dialog = ann.page.getByRole('dialog', { name: 'Forward to' });
  await dialog.getByRole('searchbox', { name: 'Search chats' }).fill(eve.user.displayName);
  expect(await dialog.locator('.person').count()).toBe(1);
  await dialog.getByRole('button', { name: eve.user.displayName }).click();
  await messageRow(ann.page, 'The roses are out').getByText(`Forwarded from ${ben.user.displayName}`).waitFor();
  await ann.page.locator('.conversation-head h2', { hasText: eve.user.displayName }).waitFor();
  const { payload } = await eve.waitFor('message:new', ({ message }) => message.body === 'The roses are out');
  expect(payload.message).toMatchObject({ senderId: ann.client.user.id, forwardedFrom: { senderId: ben.user.id } });
});

it('a message is shown as text in which only web addresses become links', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client('<img src=x onerror="document.title=\'owned\'">');
  const { conversation } = await ben.call('conversation.create', { kind: 'direct', memberIds: [ann.client.user.id] });
  const hostile =
    '<script>document.title="owned"</script><img src=x onerror="document.title=\'owned\'"> javascript:alert(1) [x](javascript:alert(1)) https://example.org/?a=1&b=<i>';
  await sendBy(ben, conversation.id, hostile);
  await ann.page.locator('.talk').first().click();
  await messageRow(ann.page, 'javascript:alert').waitFor();
  const body = messageRow(ann.page, 'javascript:alert').locator('.bubble-text');
  expect(await body.textContent()).toBe(hostile);
  expect(await body.locator('script, img, i').count()).toBe(0);
  expect(
    await body
      .locator('a')
      .evaluateAll((links) =>
        links.map((link) => [link.getAttribute('href'), link.getAttribute('rel'), link.getAttribute('target')]),
      ),
  ).toEqual([['https://example.org/?a=1&b=', 'noopener noreferrer nofollow ugc', '_blank']]);
  expect(await ann.page.title()).not.toContain('owned');
});

it('the keyboard alone is enough to open a conversation, complete a mention, go to a message and react', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client('Benedict Bright');
  const { page } = ann;
  const { conversation } = await ben.call('conversation.create', {
    kind: 'group',
    title: 'Keys',
    memberIds: [ann.client.user.id],
  });
  await sendBy(ben, conversation.id, 'Press something');
  await conversationLink(page, 'Keys').focus();
  await page.keyboard.press('Enter');
  await messageRow(page, 'Press something').waitFor();
  const field = page.getByRole('textbox', { name: 'Message' });
  await field.focus();
  await page.keyboard.type('Hello @bene');
  await page.getByRole('option', { name: /Benedict Bright/ }).waitFor();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  const { payload } = await ben.waitFor('message:new', ({ message }) => message.body.startsWith('Hello @'));
  expect(payload.message.mentions).toEqual([ben.user.id]);
  await page.locator('.mention', { hasText: `@${ben.user.username}` }).waitFor();
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('ArrowUp');
  expect(await page.evaluate(() => document.activeElement?.textContent)).toContain('Press something');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await eventually(() => page.evaluate(() => document.activeElement?.textContent === '👍'));
  await page.keyboard.press('Enter');
  await ben.waitFor('message:updated', ({ message }) => message.reactions[0]?.emoji === '👍');
});

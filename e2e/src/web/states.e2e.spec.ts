import { eventually, uniqueName } from '@parley/testing';
import { expect, it } from 'vitest';
import { useTestBrowser } from './hooks.js';
import { conversationLink, messageRow, openConversation, sendBy, sendText, tick } from './test-browser.js';

const browser = useTestBrowser();

it('the head of a group counts its members without banned ones, and the user among those online', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const [ben, eve, dan] = await Promise.all(['Ben', 'Eve', 'Dan'].map((name) => browser().client(uniqueName(name))));
  const memberIds = [ben!, eve!, dan!].map(({ user }) => user.id);
  const { conversation } = await ann.client.http('conversation.create', { kind: 'group', title: 'Band', memberIds });
  // Somebody who is banned here is seen elsewhere.
  await ann.client.http('conversation.create', { kind: 'direct', memberIds: [dan!.user.id] });
  await conversationLink(ann.page, 'Band').click();
  const head = ann.page.locator('.conversation-head');
  await head.getByText('4 members, 4 online').waitFor();
  await ann.client.http('member.update', { conversationId: conversation.id, userId: dan!.user.id, status: 'banned' });
  await head.getByText('3 members, 3 online').waitFor();
  eve!.disconnect();
  await head.getByText('3 members, 2 online').waitFor();
});

it('a user who chose to be busy stays so on other pages and after a reload, until they log out', async () => {
  const ann = await browser().register(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  const { page } = ann;
  const busy = page.getByRole('button', { name: 'Busy' });
  const isBusy = async () => {
    const { items } = await ben.http('presence.get', { userIds: [annId] });
    return items[0]?.state === 'busy';
  };
  const found = await ben.http('user.list', { query: ann.username });
  const annId = found.items[0]!.id;
  await ben.call('conversation.create', { kind: 'direct', memberIds: [annId] });
  await page.getByRole('link', { name: 'Settings' }).click();
  await busy.click();
  await eventually(isBusy);
  await page.getByRole('link', { name: 'People' }).click();
  await page.getByRole('link', { name: 'Settings' }).click();
  expect(await busy.getAttribute('aria-pressed')).toBe('true');
  await page.reload();
  await page.locator('button[aria-pressed=true]', { hasText: 'Busy' }).waitFor();
  await eventually(isBusy);
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByLabel('Username').fill(ann.username);
  await page.getByLabel('Password').fill('correct horse battery');
  await page.locator('form').getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('link', { name: 'Settings' }).click();
  await page.locator('button[aria-pressed=true]', { hasText: 'Online' }).waitFor();
});

it('the list of devices says that this one is in use', async () => {
  const ann = await browser().register(uniqueName('Ann'));
  await ann.page.clock.install();
  await ann.page.clock.fastForward('11:00');
  await ann.page.getByRole('link', { name: 'Settings' }).click();
  await ann.page.getByRole('link', { name: 'Devices' }).click();
  await ann.page.locator('.device', { hasText: 'This one' }).getByText('In use now').waitFor();
  expect(await ann.page.locator('.device', { hasText: 'This one' }).textContent()).not.toContain('Last seen');
});

it('the people to whom a message was delivered are listed also when they have read it', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  await openConversation(ann, ben);
  await sendText(ann.page, 'Hello');
  const { payload } = await ben.waitFor('message:new', ({ message }) => message.body === 'Hello');
  await ben.call('receipt.read', { conversationId: payload.message.conversationId, seq: payload.message.seq });
  await tick(ann.page, 'Hello', 'read').waitFor();
  await messageRow(ann.page, 'Hello').hover();
  await messageRow(ann.page, 'Hello').getByRole('button', { name: 'More' }).click();
  await ann.page.getByRole('menuitem', { name: 'Who has it' }).click();
  const dialog = ann.page.getByRole('dialog', { name: 'Who has it' });
  for (const title of ['Read by', 'Delivered to'])
    await dialog.locator('section', { hasText: title }).getByText(ben.user.displayName).waitFor();
  expect(await dialog.getByText('Nobody yet').count()).toBe(0);
});

it('times are the server’s, whatever the device’s clock says', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  const { page } = ann;
  // The device is 26 hours and 7 minutes ahead.
  await page.addInitScript(() => {
    const ahead = (26 * 60 + 7) * 60_000;
    const RealDate = Date;
    const now = () => RealDate.now() + ahead;
    globalThis.Date = new Proxy(RealDate, {
      construct: (target, given: [number]) => new target(...(given.length > 0 ? given : ([now()] as [number]))),
      get: (target, name) => (name === 'now' ? now : (Reflect.get(target, name) as unknown)),
    });
  });
  await page.reload();
  await openConversation(ann, ben);
  await page.locator('.conversation-head', { hasText: 'Online' }).waitFor();
  await sendBy(ben, new URL(page.url()).pathname.split('/').at(-1)!, 'Hello');
  await messageRow(page, 'Hello').waitFor();
  await page.locator('.day-line', { hasText: 'Today' }).waitFor();
  ben.disconnect();
  await page.locator('.conversation-head', { hasText: 'Last seen just now' }).waitFor();

  await ann.context.setOffline(true);
  await page.getByText('No connection to the server').waitFor();
  await sendText(page, 'Later');
  await tick(page, 'Later', 'queued').waitFor();
  const shown = await messageRow(page, 'Later').locator('time').getAttribute('datetime');
  expect(Math.abs(Date.parse(shown!) - Date.now())).toBeLessThan(60_000);
  expect(await page.locator('.day-line').count()).toBe(1);
  await ann.context.setOffline(false);
});

it.each([
  ['removed', 'You were removed from this chat.'],
  ['banned', 'You were banned from this chat.'],
  ['deleted', 'This chat was deleted.'],
] as const)('somebody who was %s is told so, and keeps what they had written', async (reason, text) => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  const lose = async (title: string) => {
    const { conversation } = await ben.call('conversation.create', {
      kind: 'group',
      title,
      memberIds: [ann.client.user.id],
    });
    await conversationLink(ann.page, title).waitFor();
    const member = { conversationId: conversation.id, userId: ann.client.user.id };
    return () =>
      reason === 'removed'
        ? ben.http('member.remove', member)
        : reason === 'banned'
          ? ben.http('member.update', { ...member, status: 'banned' })
          : ben.http('conversation.delete', { conversationId: conversation.id });
  };
  const [loseOpen, loseOther] = [await lose('Garden'), await lose('Pond')];
  await conversationLink(ann.page, 'Garden').click();
  await ann.page.getByRole('textbox', { name: 'Message' }).fill('Half a sentence');
  await loseOther();
  await ann.page.getByText(`Pond: ${text}`).waitFor();
  await loseOpen();
  await ann.page.getByRole('heading', { name: text }).waitFor();
  expect(await ann.page.getByRole('textbox', { name: 'Unsent text' }).inputValue()).toBe('Half a sentence');
});

it('rooms that cannot be loaded are not taken for none, and are shown when the connection is back', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  const title = uniqueName('Room');
  await ben.call('conversation.create', { kind: 'group', visibility: 'public', title });
  // An event arrives, so the page is connected: only then does it lose a connection.
  await ben.call('conversation.create', { kind: 'group', title: 'Pair', memberIds: [ann.client.user.id] });
  await conversationLink(ann.page, 'Pair').waitFor();
  await ann.context.setOffline(true);
  await ann.page.getByText('No connection to the server').waitFor();
  await ann.page.getByRole('link', { name: 'Rooms', exact: true }).click();
  await ann.page.getByText('The rooms are shown as soon as the server answers.').waitFor();
  expect(await ann.page.getByText('No rooms yet').count()).toBe(0);
  await ann.context.setOffline(false);
  await ann.page.getByRole('heading', { name: title }).waitFor();
});

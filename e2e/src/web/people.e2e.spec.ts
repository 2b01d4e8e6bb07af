import { uniqueName, type ChatClient } from '@parley/testing';
import { expect, it } from 'vitest';
import { useTestBrowser } from './hooks.js';
import { conversationLink, openConversation, sendText, storedTick, tick } from './test-browser.js';

const browser = useTestBrowser();

it('people can be contacts or blocked', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  const name = ben.user.displayName;
  await ann.page.getByRole('link', { name: 'People' }).click();
  await ann.page.getByRole('searchbox', { name: 'Search people to add to your contacts' }).fill(name);
  await ann.page.getByRole('button', { name, pressed: false }).click();
  await ann.page.getByRole('button', { name: `Block ${name}` }).click();
  await ann.page.getByRole('heading', { name: 'Blocked' }).waitFor();
  await ann.page.getByRole('button', { name: `Take ${name} off your contacts` }).click();
  await ann.page.getByText('Nobody yet.').waitFor();
  await expect(
    ben.call('conversation.create', { kind: 'direct', memberIds: [ann.client.user.id] }),
  ).rejects.toMatchObject({ code: 'blocked' });
  await ann.page.getByRole('button', { name: 'Unblock' }).click();
  await ann.page.getByRole('heading', { name: 'Blocked' }).waitFor({ state: 'detached' });

  await openConversation(ann, ben);
  await ann.page.getByRole('button', { name: 'Details and members' }).click();
  await ann.page.getByRole('button', { name: 'Block', exact: true }).click();
  await ann.page.getByRole('button', { name: 'Unblock' }).waitFor();
  await sendText(ann.page, 'Not yet');
  await ann.page.getByRole('alert').getByText('One of you has blocked the other.').waitFor();
  await ann.page.getByRole('button', { name: 'Unblock' }).click();
  await ann.page.getByRole('button', { name: 'Block', exact: true }).waitFor();
  await ann.page.getByRole('button', { name: 'Send', exact: true }).click();
  await ben.waitFor('message:new', ({ message }) => message.body === 'Not yet');
  await storedTick(ann.page, 'Not yet').waitFor();
});

it('a blocked person is recognised, however many are blocked', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const [ben, eve, dan] = await Promise.all([
    browser().client(uniqueName('Ben')),
    browser().client(uniqueName('Eve')),
    browser().client(uniqueName('Dan')),
  ]);
  // Makes each page of the list full.
  await ann.page.route('**/api/v1/blocks?*', (route) =>
    route.continue({ url: route.request().url().replace('limit=100', 'limit=1') }),
  );
  await openConversation(ann, ben);
  for (const { user } of [ben, eve, dan]) await ann.client.http('block.add', { userId: user.id });
  await ann.page.getByRole('button', { name: 'Details and members' }).click();
  await ann.page.getByRole('button', { name: 'Unblock' }).waitFor();
  await ann.page.getByRole('link', { name: 'People' }).click();
  for (const { user } of [ben, eve, dan])
    await ann.page.locator('.person', { hasText: user.displayName }).getByRole('button', { name: 'Unblock' }).waitFor();
});

it('a creator bans and unbans a member and hands the group over', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const [ben, eve] = await Promise.all([browser().client(uniqueName('Ben')), browser().client(uniqueName('Eve'))]);
  const {
    conversation: { id },
  } = await ann.client.http('conversation.create', {
    kind: 'group',
    title: 'Band',
    memberIds: [ben.user.id, eve.user.id],
  });
  await conversationLink(ann.page, 'Band').click();
  await ann.page.getByRole('button', { name: 'Details and members' }).click();
  const actions = (client: ChatClient) =>
    ann.page.getByRole('button', { name: `Actions for ${client.user.displayName}` });
  await actions(eve).click();
  await ann.page.getByRole('menuitem', { name: 'Ban', exact: true }).click();
  await actions(eve).waitFor({ state: 'detached' });
  // The time to undo ends with the page.
  await ann.page.reload();
  await eve.waitFor('conversation:removed', ({ reason }) => reason === 'banned');
  await ann.page.getByRole('button', { name: 'Details and members' }).click();
  // The read tick does not wait for the banned member.
  await sendText(ann.page, 'Without her');
  await ben.call('receipt.read', {
    conversationId: id,
    seq: (await ben.waitFor('message:new', ({ message }) => message.body === 'Without her')).payload.message.seq,
  });
  await tick(ann.page, 'Without her', 'read').waitFor();
  await ann.page.locator('.person', { hasText: eve.user.displayName }).getByRole('button', { name: 'Unban' }).click();
  await actions(eve).waitFor();
  expect((await eve.http('conversation.get', { conversationId: id })).conversation.me).toMatchObject({
    status: 'active',
  });

  await actions(ben).click();
  await ann.page.getByRole('menuitem', { name: 'Hand over to them' }).click();
  await ann.page.getByRole('dialog').getByRole('button', { name: 'Hand over' }).click();
  await ann.page.locator('.person', { hasText: ben.user.displayName }).getByText('Creator').waitFor();
  await ann.page.locator('.person', { hasText: '(you)' }).getByText('Admin').waitFor();
  await ann.page.getByRole('button', { name: 'Delete', exact: true }).waitFor({ state: 'detached' });
  expect((await ben.http('conversation.get', { conversationId: id })).conversation.me).toMatchObject({
    role: 'creator',
  });
});

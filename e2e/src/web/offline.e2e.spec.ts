import { eventually, uniqueName } from '@parley/testing';
import type { Page } from '@parley/testing/browser';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { useTestBrowser } from './hooks.js';
import { EmbeddedServer } from './embedded-server.js';
import {
  openConversationId,
  conversationLink,
  messageRow,
  openConversation,
  sendBy,
  sendText,
  storedTick,
  tick,
} from './test-browser.js';

/** The bodies of the messages that a browser keeps, by conversation. */
const keptMessages = (url: string, page: Page): Promise<string[][]> =>
  page.evaluate(
    (name) =>
      new Promise<string[][]>((resolve, reject) => {
        const opening = indexedDB.open(name);
        opening.onsuccess = () => {
          const reading = opening.result.transaction('values').objectStore('values').getAll() as IDBRequest<
            { messages?: { body: string }[] }[]
          >;
          reading.onsuccess = () => (
            opening.result.close(),
            resolve(reading.result.flatMap(({ messages }) => (messages ? [messages.map(({ body }) => body)] : [])))
          );
          reading.onerror = () => reject(reading.error!);
        };
      }),
    `parley ${url}`,
  );

let server: EmbeddedServer;
beforeAll(async () => {
  server = await EmbeddedServer.start();
});
afterAll(() => server?.stop());
const browser = useTestBrowser(() => server.url);

it('messages written without a server are sent once when it is back', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  await openConversation(ann, ben);
  await sendText(ann.page, 'Before');
  await storedTick(ann.page, 'Before').waitFor();
  ben.disconnect();
  await ann.page.evaluate(() => navigator.serviceWorker.ready);

  await server.kill();
  await ann.page.getByText('No connection to the server').waitFor();
  await sendText(ann.page, 'While away 1');
  await sendText(ann.page, 'While away 2');
  await tick(ann.page, 'While away 2', 'queued').waitFor();
  await ann.page.getByText('2 messages wait').waitFor();
  await ann.page.reload();
  await ann.page.getByText('2 messages wait').waitFor();
  await tick(ann.page, 'While away 1', 'queued').waitFor();
  await tick(ann.page, 'While away 2', 'queued').waitFor();

  await server.restart();
  await messageRow(ann.page, 'Before').waitFor();
  await tick(ann.page, 'While away 2', 'sent').waitFor();
  expect(await messageRow(ann.page, 'While away').count()).toBe(2);
  await ben.connect();
  const { items } = await ben.http('conversation.history', { conversationId: openConversationId(ann.page) });
  expect(items.map(({ body }) => body)).toEqual(['Before', 'While away 1', 'While away 2']);
  ben.disconnect();
});

it('kept conversations are shown until the server is back', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const [ben, eve] = await Promise.all([browser().client(uniqueName('Ben')), browser().client(uniqueName('Eve'))]);
  const { conversation: garden } = await eve.call('conversation.create', {
    kind: 'group',
    title: 'Garden',
    memberIds: [ann.client.user.id],
  });
  await openConversation(ann, ben);
  const id = openConversationId(ann.page);
  const { message: first } = await sendBy(ben, id, 'First');
  await messageRow(ann.page, 'First').waitFor();
  await sendText(ann.page, 'Second');
  await sendBy(eve, garden.id, 'The roses are out');
  await conversationLink(ann.page, 'Garden').getByText('The roses are out').waitFor();
  await ann.page.evaluate(() => navigator.serviceWorker.ready);
  await eventually(async () =>
    expect(await keptMessages(browser().url, ann.page)).toEqual(
      expect.arrayContaining([['First', 'Second'], expect.arrayContaining(['The roses are out'])]),
    ),
  );
  await ann.page.goto('about:blank');
  await ben.call('message.delete', { messageId: first.id });
  await sendBy(ben, id, 'Third');
  for (const client of [ben, eve]) client.disconnect();
  await server.kill();

  await ann.page.goto(`${browser().url}/c/${id}`);
  await ann.page.getByText('No connection to the server: you see what was last known').waitFor();
  for (const body of ['First', 'Second']) await messageRow(ann.page, body).waitFor();
  expect(await messageRow(ann.page, 'Third').count()).toBe(0);
  expect(await ann.page.locator('.dot').count()).toBe(0);
  await conversationLink(ann.page, 'Garden').click();
  await messageRow(ann.page, 'The roses are out').waitFor();
  await conversationLink(ann.page, ben.user.displayName).click();
  await sendText(ann.page, 'Fourth');
  await tick(ann.page, 'Fourth', 'queued').waitFor();
  await conversationLink(ann.page, ben.user.displayName).getByText('You: Fourth').waitFor();
  await ann.page.getByRole('textbox', { name: 'Message' }).fill('Half a sentence');

  await server.restart();
  await messageRow(ann.page, 'Third').waitFor();
  await tick(ann.page, 'Fourth', 'sent').waitFor();
  expect(await messageRow(ann.page, 'First').count()).toBe(0);
  expect(await ann.page.getByRole('textbox', { name: 'Message' }).inputValue()).toBe('Half a sentence');
  await ann.page.getByText('No connection to the server').waitFor({ state: 'detached' });

  await ann.page.getByRole('link', { name: 'Settings' }).click();
  await ann.page.getByRole('button', { name: 'Log out' }).click();
  await ann.page.getByLabel('Username').waitFor();
  await eventually(async () => expect(await keptMessages(browser().url, ann.page)).toEqual([]));
});

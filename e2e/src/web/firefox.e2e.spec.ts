import { ChatClient, eventually, uniqueName } from '@parley/testing';
import { launchFirefox, type Browser, type Page } from '@parley/testing/firefox';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { EmbeddedServer } from './embedded-server.js';
import { password, sendBy } from './test-browser.js';

let server: EmbeddedServer;
let firefox: Browser;
let page: Page;
const errors: string[] = [];
beforeAll(async () => {
  [server, firefox] = await Promise.all([
    EmbeddedServer.start(),
    launchFirefox((line) => void process.stderr.write(`${line}\n`)),
  ]);
  page = await firefox.newPage();
  await page.setViewport({ width: 1280, height: 800 });
  // While the server is away, connections fail.
  const note = (text: string) => void (/establish a connection|NetworkError/.test(text) || errors.push(text));
  page.on('pageerror', (error) => note(String(error)));
  page.on('console', (entry) => {
    if (entry.type() === 'error' && /Content-Security-Policy|Trusted/i.test(entry.text())) note(entry.text());
  });
});
afterAll(async () => {
  await firefox?.close();
  await server?.stop();
});

const shown = (selector: string, text: string) => page.locator(`${selector} ::-p-text(${text})`).wait();
const field = () => page.locator('textarea[aria-label="Message"]');
const send = async (text: string) => {
  await field().fill(text);
  await page.locator('button[aria-label="Send"]').click();
};
const draft = () => page.$eval('textarea[aria-label="Message"]', (box) => box.value);
/** Waits for the mark of the user's own message. */
const marked = (text: string, ...status: string[]) =>
  page.locator(`.message:has(${status.map((one) => `[data-status=${one}]`).join(', ')}) ::-p-text(${text})`).wait();

it('Firefox signs in, sends, receives, keeps a draft over a reload, and sends what was written without a server', async () => {
  await page.goto(server.url);
  await page.locator('.tabs button:last-child').click();
  const username = uniqueName('ann');
  await page.locator('input[name=displayName]').fill('Ann Archer');
  await page.locator('input[name=username]').fill(username);
  await page.locator('input[name=password]').fill(password);
  await page.locator('form button.primary').click();
  await page.locator('nav[aria-label="Parts of Parley"]').wait();

  const ben = await ChatClient.register(server.url, { displayName: 'Ben Bright' });
  await ben.connect();
  const { items } = await ben.http('user.list', { query: username });
  const { conversation } = await ben.call('conversation.create', { kind: 'direct', memberIds: [items[0]!.id] });
  await page.locator('nav[aria-label="Your chats"] ::-p-text(Ben Bright)').click();
  await send('From Firefox');
  await ben.waitFor('message:new', ({ message }) => message.body === 'From Firefox');
  await marked('From Firefox', 'sent', 'delivered', 'read');
  await sendBy(ben, conversation.id, 'To Firefox');
  await shown('.message', 'To Firefox');

  await field().fill('Half a sentence');
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await page.reload();
  await shown('.message', 'To Firefox');
  expect(await draft()).toBe('Half a sentence');

  await server.kill();
  await shown('.banner', 'No connection to the server');
  await page.reload();
  await shown('.banner', 'No connection to the server');
  await shown('.message', 'From Firefox');
  await send('While away');
  await marked('While away', 'queued');
  await server.restart();
  await marked('While away', 'sent', 'delivered', 'read');
  await eventually(async () => {
    const { items: messages } = await ben.http('conversation.history', { conversationId: conversation.id });
    expect(messages.map(({ body }) => body)).toEqual(['From Firefox', 'To Firefox', 'While away']);
  });
  ben.disconnect();
  expect(errors).toEqual([]);
});

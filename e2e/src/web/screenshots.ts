/** `npm run screenshots`: takes pictures of the web app's main views, for the README. Starts its own server. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ChatClient, uniqueName } from '@parley/testing';
import { ensureChromium, launchBrowser, type Page } from '@parley/testing/browser';
import { EmbeddedServer } from './embedded-server.js';
import { conversationLink, messageRow, phone, TestBrowser } from './test-browser.js';

const folder = process.argv[2] ?? join(import.meta.dirname, '../../../docs/screenshots');
await mkdir(folder, { recursive: true });
await ensureChromium((line) => void process.stderr.write(`${line}\n`));
const server = await EmbeddedServer.start();
const browser = new TestBrowser(await launchBrowser(), server.url);
const takePicture = async (page: Page, name: string): Promise<void> =>
  void (await page.screenshot({ path: join(folder, `${name}.png`), animations: 'disabled' }));
const setTheme = (page: Page, name: string) =>
  page.evaluate((chosen) => {
    localStorage.setItem('parley:theme', chosen);
    document.documentElement.dataset['theme'] = chosen;
  }, name);

try {
  const people = await Promise.all(
    ['Mara Lindqvist', 'Tomas Vidal', 'Priya Raman', 'Jonas Weber'].map(async (displayName) => {
      const client = await ChatClient.register(browser.url, {
        displayName,
        username: uniqueName(displayName.split(' ')[0]!.toLowerCase()),
      });
      await client.connect();
      return client;
    }),
  );
  const [mara, tomas, priya, jonas] = people as [ChatClient, ChatClient, ChatClient, ChatClient];
  const ann = await browser.register('Ann Archer');
  const { page } = ann;
  const { items } = await mara.http('user.list', { query: ann.username });
  const annId = items[0]!.id;
  const memberIds = [...people.map(({ user }) => user.id), annId];
  const send = (client: ChatClient, conversationId: string, body: string, more: object = {}) =>
    client.call('message.send', { conversationId, clientId: uniqueName('m'), body, ...more });
  const createRoom = async (
    by: ChatClient,
    title: string,
    topic: string,
    color: string,
    kind: 'group' | 'channel' = 'group',
  ) =>
    (
      await by.call('conversation.create', {
        kind,
        visibility: 'public',
        title,
        topic,
        color,
        memberIds: memberIds.filter((id) => id !== by.user.id),
      })
    ).conversation.id;

  const news = await createRoom(priya, 'Announcements', 'What everybody should know', '#4a5a78', 'channel');
  await send(priya, news, 'The new server is up. Nothing was lost on the way.');
  const kitchen = await createRoom(jonas, 'Kitchen talk', 'Recipes, leftovers, and the great oven debate', '#9a4a12');
  await send(jonas, kitchen, 'Who took the good pan?');
  const books = await createRoom(tomas, 'Book circle', 'One book a month, no spoilers before the 20th', '#7a3fa0');
  await send(tomas, books, 'Chapter nine changes everything.');
  const direct = (await tomas.call('conversation.create', { kind: 'direct', memberIds: [annId] })).conversation.id;
  await send(tomas, direct, 'Are you bringing the map?');
  const hike = await createRoom(mara, 'Sunday hike', 'North ridge, 14 km, bring water', '#0f7a6c');
  const first = await send(mara, hike, 'Morning everyone! Weather looks perfect for Sunday ☀️');
  await send(tomas, hike, 'Finally. I’ve had my boots by the door since Tuesday.');
  await send(priya, hike, 'Route is here: https://example.org/north-ridge');
  await send(priya, hike, 'Two steep bits, otherwise easy.');
  await mara.http('message.pin', { messageId: first.message.id });
  for (const person of [tomas, priya, jonas])
    await person.call('reaction.add', { messageId: first.message.id, emoji: '🎉' });
  await jonas.call('reaction.add', { messageId: first.message.id, emoji: '☀️' });

  await conversationLink(page, 'Sunday hike').click();
  const write = async (text: string) => {
    await page.getByRole('textbox', { name: 'Message' }).fill(text);
    await page.keyboard.press('Enter');
    await messageRow(page, text).locator('[data-status=sent], [data-status=delivered], [data-status=read]').waitFor();
  };
  await write('I’ll bring the map and far too much cake.');
  await send(jonas, hike, 'Define “too much cake” 🍰', { replyTo: first.message.id });
  await messageRow(page, 'too much cake” ').waitFor();
  for (const person of people) {
    const { items: messages } = await person.http('conversation.history', { conversationId: hike });
    await person.call('receipt.read', { conversationId: hike, seq: messages.at(-1)!.seq });
  }
  await messageRow(page, 'far too much').locator('[data-status=read]').waitFor();
  await page.mouse.move(0, 0);
  await takePicture(page, 'conversation');

  await page.getByRole('button', { name: 'Details and members' }).click();
  await page.getByText('Creator', { exact: true }).waitFor();
  await setTheme(page, 'dusk');
  await takePicture(page, 'members');
  await page.getByRole('button', { name: 'Drawing board' }).click();
  await page.getByRole('img', { name: 'The shared drawing' }).waitFor();
  const ridge = Array.from({ length: 80 }, (_, at) => [
    200 + at * 15,
    620 - Math.abs(Math.sin(at / 12)) * 320 - (at % 7) * 6,
  ]).flat();
  await mara.call('drawing.draw', {
    conversationId: hike,
    line: { id: 'ridge', color: '#12873f', width: 10, points: ridge },
  });
  const sun = Array.from({ length: 60 }, (_, at) => [1300 + Math.cos(at / 9) * 90, 190 + Math.sin(at / 9) * 90]).flat();
  await priya.call('drawing.draw', {
    conversationId: hike,
    line: { id: 'sun', color: '#e58a00', width: 14, points: sun },
  });
  await tomas.call('drawing.draw', {
    conversationId: hike,
    line: {
      id: 'path',
      color: '#d92d20',
      width: 6,
      points: [260, 800, 420, 720, 640, 760, 820, 640, 1010, 690, 1240, 560],
    },
  });
  await page.waitForFunction(
    () => (document.querySelector('canvas')?.getContext('2d')?.getImageData(820, 640, 1, 1).data[3] ?? 0) > 0,
  );
  await setTheme(page, 'midnight');
  await takePicture(page, 'board');

  await page.goto(`${browser.url}/rooms`);
  await page.getByRole('heading', { name: 'Kitchen talk' }).waitFor();
  await setTheme(page, 'daylight');
  await takePicture(page, 'rooms');

  const { page: small } = await browser.logIn(ann.username, phone);
  await conversationLink(small, 'Tomas Vidal').waitFor();
  await takePicture(small, 'phone-list');
  await setTheme(small, 'blossom');
  await conversationLink(small, 'Sunday hike').click();
  await messageRow(small, 'too much cake” ').waitFor();
  await takePicture(small, 'phone-conversation');
  for (const person of people) person.disconnect();
} finally {
  await browser.browser.close();
  await server.stop();
}

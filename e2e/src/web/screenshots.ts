/** npm run screenshots: pictures of the web app's main views, for the README. Starts a server of its own. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ChatClient, uniqueName } from '@parley/testing';
import type { Page } from '@parley/testing/browser';
import { ensureChromium } from '@parley/testing/browser';
import { phone, row, talk, WebStage } from './stage.js';

const folder = process.argv[2] ?? join(import.meta.dirname, '../../../docs/screenshots');
await mkdir(folder, { recursive: true });
await ensureChromium((line) => void process.stderr.write(`${line}\n`));
const stage = await WebStage.open();
const shoot = async (page: Page, name: string): Promise<void> =>
  void (await page.screenshot({ path: join(folder, `${name}.png`), animations: 'disabled' }));
const theme = (page: Page, name: string) =>
  page.evaluate((chosen) => {
    localStorage.setItem('parley:theme', chosen);
    document.documentElement.dataset['theme'] = chosen;
  }, name);

try {
  const people = await Promise.all(
    ['Mara Lindqvist', 'Tomas Vidal', 'Priya Raman', 'Jonas Weber'].map(async (displayName) => {
      const client = await ChatClient.register(stage.url, {
        displayName,
        username: uniqueName(displayName.split(' ')[0]!.toLowerCase()),
      });
      await client.connect();
      return client;
    }),
  );
  const [mara, tomas, priya, jonas] = people as [ChatClient, ChatClient, ChatClient, ChatClient];
  const ann = await stage.register('Ann Archer');
  const { page } = ann;
  const { items } = await mara.http('user.list', { query: ann.username });
  const annId = items[0]!.id;
  const all = [...people.map(({ user }) => user.id), annId];
  const say = (client: ChatClient, conversationId: string, body: string, more: object = {}) =>
    client.call('message.send', { conversationId, clientId: uniqueName('m'), body, ...more });
  const room = async (
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
        memberIds: all.filter((id) => id !== by.user.id),
      })
    ).conversation.id;

  const news = await room(priya, 'Announcements', 'What everybody should know', '#4a5a78', 'channel');
  await say(priya, news, 'The new server is up. Nothing was lost on the way.');
  const kitchen = await room(jonas, 'Kitchen talk', 'Recipes, leftovers, and the great oven debate', '#9a4a12');
  await say(jonas, kitchen, 'Who took the good pan?');
  const books = await room(tomas, 'Book circle', 'One book a month, no spoilers before the 20th', '#7a3fa0');
  await say(tomas, books, 'Chapter nine changes everything.');
  const direct = (await tomas.call('conversation.create', { kind: 'direct', memberIds: [annId] })).conversation.id;
  await say(tomas, direct, 'Are you bringing the map?');
  const hike = await room(mara, 'Sunday hike', 'North ridge, 14 km, bring water', '#0f7a6c');
  const first = await say(mara, hike, 'Morning everyone! Weather looks perfect for Sunday ☀️');
  await say(tomas, hike, 'Finally. I’ve had my boots by the door since Tuesday.');
  await say(priya, hike, 'Route is here: https://example.org/north-ridge');
  await say(priya, hike, 'Two steep bits, otherwise easy.');
  await mara.http('message.pin', { messageId: first.message.id });
  for (const one of [tomas, priya, jonas]) await one.call('reaction.add', { messageId: first.message.id, emoji: '🎉' });
  await jonas.call('reaction.add', { messageId: first.message.id, emoji: '☀️' });

  await talk(page, 'Sunday hike').click();
  const write = async (text: string) => {
    await page.getByRole('textbox', { name: 'Message' }).fill(text);
    await page.keyboard.press('Enter');
    await row(page, text).locator('[data-status=sent], [data-status=delivered], [data-status=read]').waitFor();
  };
  await write('I’ll bring the map and far too much cake.');
  await say(jonas, hike, 'Define “too much cake” 🍰', { replyTo: first.message.id });
  await row(page, 'too much cake” ').waitFor();
  for (const one of people) {
    const { items: now } = await one.http('conversation.history', { conversationId: hike });
    await one.call('receipt.read', { conversationId: hike, seq: now.at(-1)!.seq });
  }
  await row(page, 'far too much').locator('[data-status=read]').waitFor();
  await page.mouse.move(0, 0);
  await shoot(page, 'conversation');

  await page.getByRole('button', { name: 'Details and members' }).click();
  await page.getByText('Creator', { exact: true }).waitFor();
  await theme(page, 'dusk');
  await shoot(page, 'members');
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
  await theme(page, 'midnight');
  await shoot(page, 'board');

  await page.goto(`${stage.url}/rooms`);
  await page.getByRole('heading', { name: 'Kitchen talk' }).waitFor();
  await theme(page, 'daylight');
  await shoot(page, 'rooms');

  const { page: small } = await stage.logIn(ann.username, phone);
  await talk(small, 'Tomas Vidal').waitFor();
  await shoot(small, 'phone-list');
  await theme(small, 'blossom');
  await talk(small, 'Sunday hike').click();
  await row(small, 'too much cake” ').waitFor();
  await shoot(small, 'phone-conversation');
  for (const one of people) one.disconnect();
} finally {
  await stage.close();
}

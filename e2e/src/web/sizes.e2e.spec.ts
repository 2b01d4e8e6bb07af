import { uniqueName } from '@parley/testing';
import type { Page } from '@parley/testing/browser';
import { expect, it } from 'vitest';
import { useTestBrowser } from './hooks.js';
import { problemsOf } from './layout.js';
import { desktop, messageRow, sendBy, sendText } from './test-browser.js';

const browser = useTestBrowser();

/** Widths and heights. The last one is a window of 1280 × 800 at a zoom of 200 %. */
const sizes = [
  [320, 640],
  [390, 844],
  [768, 1024],
  [1280, 800],
  [2560, 1440],
  [640, 400],
] as const;

/** What is wrong with a view at any size from left to right, and at some from right to left. */
async function problemsAtAllSizes(page: Page, view: string): Promise<string[]> {
  const found: string[] = [];
  for (const [width, height] of sizes)
    for (const dir of width === 320 || width === 1280 ? ['ltr', 'rtl'] : ['ltr']) {
      await page.setViewportSize({ width, height });
      await page.evaluate((direction) => void (document.documentElement.dir = direction), dir);
      for (const problem of await problemsOf(page)) found.push(`${view}, ${width}×${height}, ${dir}: ${problem}`);
    }
  await page.setViewportSize(desktop);
  return found;
}

it('no view overflows, cuts or covers a control, or has overlong lines, from 320 to 2560 pixels, in both directions', async () => {
  const { page: signIn } = await browser().open();
  const found = await problemsAtAllSizes(signIn, 'log in');

  const ann = await browser().visitor(uniqueName('Ann with a rather long name'));
  const { page } = ann;
  const ben = await browser().client(uniqueName('Bartholomew Featherstonehaugh'));
  const { conversation } = await ben.call('conversation.create', {
    kind: 'group',
    visibility: 'public',
    title: `${uniqueName('Room')} of those who have a lot to say about everything`,
    topic: 'All of it, at length, and without ever coming to an end that anybody could foresee',
    memberIds: [ann.client.user.id],
  });
  const say = (body: string) => sendBy(ben, conversation.id, body);
  const { message } = await say('Lines that go on. '.repeat(40));
  await ben.call('reaction.add', { messageId: message.id, emoji: '🎉' });
  await ben.http('message.pin', { messageId: message.id });
  await say(`An address: https://${'very-long-'.repeat(12)}name.test/${'path/'.repeat(20)}`);
  await say(`\`\`\`ts\nconst line = '${'x'.repeat(200)}';\n\`\`\``);
  await say('שלום, מה שלומך היום? '.repeat(8));
  await page.goto(`${browser().url}/c/${conversation.id}`);
  await sendText(page, 'Mine');
  await messageRow(page, 'Mine').waitFor();
  await page.getByRole('textbox', { name: 'Message' }).fill('A draft that takes more than one line. '.repeat(6));
  found.push(...(await problemsAtAllSizes(page, 'conversation')));

  await page.getByRole('button', { name: 'Search messages' }).click();
  await page.getByRole('complementary', { name: 'Search messages' }).waitFor();
  found.push(...(await problemsAtAllSizes(page, 'search')));
  await page.getByRole('button', { name: 'Details and members' }).click();
  await page.getByRole('complementary', { name: 'Details' }).waitFor();
  found.push(...(await problemsAtAllSizes(page, 'details')));
  for (const path of ['', 'rooms', 'people', 'settings', 'settings/devices']) {
    await page.goto(`${browser().url}/${path}`);
    await page.locator('.main h1, .main h2').first().waitFor({ state: 'attached' });
    found.push(...(await problemsAtAllSizes(page, path === '' ? 'list' : path.replace('/', '-'))));
  }
  await page.keyboard.press('Control+k');
  await page.getByRole('dialog', { name: 'Find' }).waitFor();
  found.push(...(await problemsAtAllSizes(page, 'find')));
  expect(found).toEqual([]);
});

it('emoji have colours, also those of which text fonts have black ones, and digits are text', async () => {
  const { page } = await browser().open();
  const coloured = await page.evaluate(() => {
    const { font } = getComputedStyle(document.querySelector('.parley')!);
    const canvas = document.createElement('canvas').getContext('2d')!;
    const hasColour = (text: string) => {
      canvas.reset();
      canvas.font = font;
      canvas.fillText(text, 10, 60);
      const { data } = canvas.getImageData(0, 0, 100, 100);
      return data.some((value, at) => at % 4 === 0 && Math.max(value, data[at + 1]!, data[at + 2]!) > 60);
    };
    return ['😀', '☺', '❤', '☀️', '👩‍🚀', '1', '#', '→'].filter(hasColour);
  });
  expect(coloured).toEqual(['😀', '☺', '❤', '☀️', '👩‍🚀']);
});

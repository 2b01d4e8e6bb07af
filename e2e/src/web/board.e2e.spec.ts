import { eventually, uniqueName } from '@parley/testing';
import type { Page } from '@parley/testing/browser';
import { expect, it } from 'vitest';
import { useTestBrowser } from './hooks.js';
import { conversationLink, openConversation, sendText } from './test-browser.js';

const browser = useTestBrowser();

it('a board shows lines while they are drawn', async () => {
  const [ann, ben] = await Promise.all([browser().visitor(uniqueName('Ann')), browser().visitor(uniqueName('Ben'))]);
  await openConversation(ann, ben.client);
  await sendText(ann.page, 'Hello');
  await conversationLink(ben.page, ann.name).click();
  for (const { page } of [ann, ben]) await page.getByRole('button', { name: 'Drawing board' }).click();
  const inkOn = (page: Page) =>
    page.getByRole('img', { name: 'The shared drawing' }).evaluate((canvas: HTMLCanvasElement) => {
      const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
      let count = 0;
      for (let at = 3; at < data.length; at += 4) if (data[at]! > 0) count++;
      return count;
    });
  const box = (await ann.page.getByRole('img', { name: 'The shared drawing' }).boundingBox())!;
  await ann.page.mouse.move(box.x + 40, box.y + 40);
  await ann.page.mouse.down();
  await ann.page.mouse.move(box.x + 200, box.y + 120, { steps: 40 });
  await ann.page.mouse.move(box.x + 40, box.y + 120, { steps: 40 });
  await ann.page.mouse.up();
  const drawn = await inkOn(ann.page);
  expect(drawn).toBeGreaterThan(1000);
  await eventually(async () => Math.abs((await inkOn(ben.page)) - drawn) < drawn / 20);
  await ben.page.getByRole('button', { name: 'Empty the board' }).click();
  await eventually(async () => (await inkOn(ann.page)) === 0 && (await inkOn(ben.page)) === 0);
});

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, uniqueName } from '@parley/testing';
import type { Page } from '@parley/testing/browser';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { useTestBrowser } from './hooks.js';
import { conversationLink, openConversation, sendText } from './test-browser.js';

const browser = useTestBrowser();

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-saved-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const boardOf = (page: Page) => page.getByRole('img', { name: 'The shared drawing' });

/** The number of pixels with ink on a board: all, or those that are mostly red. */
const inkOn = (page: Page, onlyRed = false) =>
  boardOf(page).evaluate((canvas: HTMLCanvasElement, red) => {
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let at = 0; at < data.length; at += 4)
      if (data[at + 3]! > 0 && (!red || (data[at]! > 150 && data[at + 2]! < 100))) count++;
    return count;
  }, onlyRed);

it('a board shows lines while they are drawn, and what their author changes, undoes and saves', async () => {
  const [ann, ben] = await Promise.all([browser().visitor(uniqueName('Ann')), browser().visitor(uniqueName('Ben'))]);
  await openConversation(ann, ben.client);
  await sendText(ann.page, 'Hello');
  await conversationLink(ben.page, ann.name).click();
  for (const { page } of [ann, ben]) await page.getByRole('button', { name: 'Drawing board' }).click();
  const box = (await boardOf(ann.page).boundingBox())!;
  const draw = async (y: number) => {
    await ann.page.mouse.move(box.x + 40, box.y + y);
    await ann.page.mouse.down();
    await ann.page.mouse.move(box.x + 200, box.y + y + 40, { steps: 40 });
    await ann.page.mouse.move(box.x + 40, box.y + y + 40, { steps: 40 });
    await ann.page.mouse.up();
  };
  await draw(40);
  const first = await inkOn(ann.page);
  expect(first).toBeGreaterThan(1000);
  await eventually(async () => Math.abs((await inkOn(ben.page)) - first) < first / 20);
  await draw(120);

  await ann.page.getByRole('button', { name: 'Select my lines' }).click();
  await ann.page.mouse.click(box.x + 120, box.y + 80);
  await ann.page.getByRole('radio', { name: 'Colour #d92d20' }).check();
  await eventually(async () => Math.abs((await inkOn(ben.page, true)) - first) < first / 10);
  await ann.page.keyboard.press('Escape');

  const download = ann.page.waitForEvent('download');
  await ann.page.getByRole('button', { name: 'Save as a picture' }).click();
  const path = join(folder, 'board.png');
  await (await download).saveAs(path);
  const picture = await readFile(path);
  expect(picture.subarray(1, 4).toString()).toBe('PNG');

  await ann.page.keyboard.press('Control+z');
  await eventually(async () => Math.abs((await inkOn(ben.page)) - first) < first / 10);
  await ann.page.getByRole('button', { name: 'Earlier line of mine' }).click();
  await ann.page.keyboard.press('Delete');
  await eventually(async () => (await inkOn(ann.page)) === 0 && (await inkOn(ben.page)) === 0);

  await ann.page.getByRole('button', { name: 'Draw', exact: true }).click();
  await draw(40);
  await eventually(async () => (await inkOn(ben.page)) > 1000);
  await ben.page.getByRole('button', { name: 'Empty the board' }).click();
  await eventually(async () => (await inkOn(ann.page)) === 0 && (await inkOn(ben.page)) === 0);
});

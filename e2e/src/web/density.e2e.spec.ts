import { uniqueName } from '@parley/testing';
import type { Page } from '@parley/testing/browser';
import { expect, it } from 'vitest';
import { violationsOn } from './axe.js';
import { useTestBrowser } from './hooks.js';
import { messageRow, sendBy } from './test-browser.js';

const browser = useTestBrowser();

/** A window with a group in which two others take turns; every turn has this many lines. */
async function openTurns(title: string, turns: number, lines: number): Promise<Page> {
  const { page, client } = await browser().visitor(uniqueName('Ann'));
  const [ben, eve] = await Promise.all([browser().client('Ben Brook'), browser().client('Eve Elm')]);
  const { conversation } = await ben.call('conversation.create', {
    kind: 'group',
    title,
    memberIds: [client.user.id, eve.user.id],
  });
  for (let turn = 0; turn < turns; turn++)
    for (let line = 0; line < lines; line++)
      await sendBy(turn % 2 === 0 ? ben : eve, conversation.id, `Turn ${turn} line ${line}`);
  await page.goto(`${browser().url}/c/${conversation.id}?at=${turns * lines + 1}`);
  await messageRow(page, `Turn ${turns - 1} line ${lines - 1}`).waitFor();
  return page;
}

const countVisible = (page: Page) =>
  page.getByRole('log', { name: 'Messages' }).evaluate((box) => {
    box.scrollTop = box.scrollHeight;
    const { top, bottom } = box.getBoundingClientRect();
    return [...box.querySelectorAll('.message')].filter((row) => {
      const edges = row.getBoundingClientRect();
      return edges.top >= top && edges.bottom <= bottom;
    }).length;
  });

it('compact shows at least 16 messages of one line at 1280 × 800, also after a reload', async () => {
  const page = await openTurns('Turns', 30, 1);
  const address = page.url();
  const cosy = await countVisible(page);
  await page.getByRole('link', { name: 'Settings', exact: true }).click();
  await page.getByRole('button', { name: 'Compact' }).click();
  await page.goto(address);
  await messageRow(page, 'Turn 29 line 0').waitFor();
  const compact = await countVisible(page);
  expect(compact).toBeGreaterThanOrEqual(16);
  expect(compact).toBeGreaterThan(cosy);
  expect(await violationsOn(page, 'compact')).toEqual([]);
});

it('a run of messages shows its time once, beside the last text, and each name in the person’s colour', async () => {
  const page = await openTurns('Runs', 3, 3);
  expect(await page.locator('.message time').count()).toBe(3);
  const last = messageRow(page, 'Turn 2 line 2');
  const [text, time] = await Promise.all([
    last.locator('.bubble-text').boundingBox(),
    last.locator('time').boundingBox(),
  ]);
  expect(time!.x).toBeGreaterThan(text!.x + text!.width);
  expect(time!.y).toBeLessThan(text!.y + text!.height);
  const colors = await page
    .locator('.message-name .cut')
    .evaluateAll((names) => names.map((name) => (name as HTMLElement).style.color));
  expect(colors).toHaveLength(3);
  expect(colors[0]).toMatch(/^var\(--name-\d\)$/);
  expect(colors[2]).toBe(colors[0]);
});

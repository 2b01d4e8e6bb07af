import type { Page } from '@parley/testing/browser';
import { expect, it } from 'vitest';
import { violationsOn } from './axe.js';
import { useTestBrowser } from './hooks.js';
import { desktop } from './test-browser.js';

const browser = useTestBrowser();
const entryOf = (page: Page, name: string) =>
  page.locator('article').filter({ has: page.getByRole('heading', { name, exact: true }) });

/** Opens the form of a call, which search has brought to the top. */
async function openForm(page: Page, name: string) {
  await page.getByRole('searchbox').fill(name);
  const entry = entryOf(page, name);
  await entry.getByText('Try it').click();
  return { entry, input: entry.getByRole('textbox'), answer: entry.getByRole('status') };
}

it('the documentation finds a call, shows its example, and makes it over HTTP and over the socket', async () => {
  const { page } = await browser().open(desktop, '/api/docs');
  await page.keyboard.press('/');
  await page.keyboard.type('store message clientid');
  await page.keyboard.press('Control+A');
  await page.keyboard.type('message.send');
  await page.keyboard.press('Enter');
  await entryOf(page, 'message.send').and(page.locator(':focus')).waitFor();
  expect(await entryOf(page, 'conversation.create').isVisible()).toBe(false);
  expect(await page.getByRole('navigation').getByRole('link', { name: 'conversation.create' }).isVisible()).toBe(false);
  const send = entryOf(page, 'message.send');
  await send.getByText('Example', { exact: true }).click();
  await send.getByText(/curl -X POST .*"body":"Hello"/).waitFor();
  await send.getByText(/emitWithAck\('message:send'/).waitFor();

  await page.getByRole('button', { name: 'Become a guest' }).click();
  await page.getByText('Ann Example, not connected').waitFor();
  const create = await openForm(page, 'conversation.create');
  await create.entry.getByRole('button', { name: 'Send over HTTP' }).click();
  await create.answer.filter({ hasText: '"status": 201' }).waitFor();

  const { entry, input, answer } = await openForm(page, 'message.send');
  await entry.getByRole('button', { name: 'Send over HTTP' }).click();
  await answer.filter({ hasText: '"status": 201' }).waitFor();
  await entry.getByRole('button', { name: 'Send over the socket' }).click();
  await answer.filter({ hasText: '"duplicate": true' }).waitFor();
  await page.getByText('Ann Example, connected').waitFor();
  await input.fill(
    (await input.inputValue()).replace('my-first-message', 'another').replace('Hello', 'Over the socket'),
  );
  await entry.getByRole('button', { name: 'Send over the socket' }).click();
  await answer.filter({ hasText: '"duplicate": false' }).waitFor();
  await page.getByText('Events that arrived').click();
  await page.locator('#events li').filter({ hasText: 'message:new' }).filter({ hasText: 'Over the socket' }).waitFor();

  await input.fill('{');
  await entry.getByRole('button', { name: 'Send over HTTP' }).click();
  await answer.filter({ hasText: /JSON/ }).waitFor();
});

it('the documentation is complete without scripts', async () => {
  const context = await browser().browser.newContext({ javaScriptEnabled: false });
  try {
    const page = await context.newPage();
    await page.goto(`${browser().url}/api/docs`);
    await entryOf(page, 'message.send').waitFor();
    expect(await page.getByRole('button').count()).toBe(0);
    expect(await page.getByRole('searchbox').count()).toBe(0);
  } finally {
    await context.close();
  }
});

it.each(['light', 'dark'] as const)(
  'the %s documentation has no accessibility violations, and fits 320 px',
  async (colorScheme) => {
    const { page } = await browser().open({ width: 320, height: 640 }, '/api/docs');
    await page.emulateMedia({ colorScheme });
    await page.getByRole('searchbox').fill('message.send');
    for (const closed of ['Example', 'Try it'])
      await entryOf(page, 'message.send').getByText(closed, { exact: true }).click();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(320);
    expect(await violationsOn(page, 'documentation')).toEqual([]);
  },
);

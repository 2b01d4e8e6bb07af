import { uniqueName } from '@parley/testing';
import { expect, it } from 'vitest';
import { useTestBrowser } from './hooks.js';
import { conversationLink, messageRow, sendBy } from './test-browser.js';

const browser = useTestBrowser();

/** A page in a conversation with somebody who has sent these bodies. */
async function receiving(...bodies: readonly string[]) {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  const { conversation } = await ben.call('conversation.create', { kind: 'direct', memberIds: [ann.client.user.id] });
  for (const body of bodies) await sendBy(ben, conversation.id, body);
  await ann.page.locator('.talk').first().click();
  return { ann, ben, page: ann.page };
}

it('light Markdown is shown as elements', async () => {
  const { page } = await receiving(
    '**bold** *italic* ~~gone~~ `code` [label](https://a.example/x)\n> quoted\n- one\n- two',
  );
  const text = messageRow(page, 'bold').locator('.bubble-text');
  await text.waitFor();
  expect(
    await text.evaluate((element) =>
      ['strong', 'em', 's', 'code', 'a', 'blockquote', 'li'].map((name) =>
        [...element.querySelectorAll(name)].map(({ textContent }) => textContent),
      ),
    ),
  ).toEqual([['bold'], ['italic'], ['gone'], ['code'], ['label'], ['quoted'], ['one', 'two']]);
});

it('fenced code gets colours, and a button that copies it', async () => {
  const { page, ann } = await receiving('look:\n```js\nconst answer = 42;\n```');
  await ann.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const code = messageRow(page, 'look').locator('pre code');
  await code.locator('.hljs-keyword', { hasText: 'const' }).waitFor();
  expect(await code.textContent()).toBe('const answer = 42;');
  await messageRow(page, 'look').getByRole('button', { name: 'Copy code' }).click();
  await page.getByText('Copied').waitFor();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('const answer = 42;');
});

it('a text is copied on a page without TLS, too', async () => {
  const { page, ann } = await receiving('```\nplain\n```');
  await ann.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const read = await page.evaluateHandle(() => {
    const { clipboard } = navigator;
    // What such a page has.
    Object.defineProperty(navigator, 'clipboard', { value: undefined });
    return () => clipboard.readText();
  });
  await messageRow(page, 'plain').getByRole('button', { name: 'Copy code' }).click();
  await page.getByText('Copied').waitFor();
  expect(await read.evaluate((readText) => readText())).toBe('plain');
});

it('the list of conversations shows a message without its markup', async () => {
  const { page, ben } = await receiving('**bold** and `code`');
  await conversationLink(page, ben.user.displayName).getByText('bold and code').waitFor();
});

it('every piece of people’s text has the direction of its own letters', async () => {
  const { page } = await receiving('שלום **עולם**\n- אחת', 'left to right');
  const directions = (text: string) =>
    messageRow(page, text)
      .locator('.bubble-text p, .bubble-text li')
      .evaluateAll((elements) => elements.map((element) => getComputedStyle(element).direction));
  await messageRow(page, 'שלום').waitFor();
  expect(await directions('שלום')).toEqual(['rtl', 'rtl', 'rtl']);
  expect(await directions('left')).toEqual(['ltr']);
});

it('links beside Chinese text lead to the address alone', async () => {
  const { page } = await receiving('请看https://a.example/x。谢谢');
  const link = messageRow(page, '请看').locator('a');
  await link.waitFor();
  expect(await link.getAttribute('href')).toBe('https://a.example/x');
});

it('piled marks stay within their message', async () => {
  const { page } = await receiving(`z${'\u0301'.repeat(200)}algo`, 'below');
  const boxes = await Promise.all(
    ['algo', 'below'].map((text) => messageRow(page, text).locator('.bubble-text').boundingBox()),
  );
  expect(boxes.every((box) => box !== null && box.height < 60)).toBe(true);
  expect(
    await messageRow(page, 'algo')
      .locator('.bubble-text')
      .evaluate((element) => getComputedStyle(element).overflowY),
  ).toBe('clip');
});

import { eventually, uniqueName } from '@parley/testing';
import type { Page } from '@parley/testing/browser';
import { expect, it } from 'vitest';
import { useTestBrowser } from './hooks.js';
import { messageRow, openConversation, openConversationId, phone, sendBy, sendText } from './test-browser.js';

const browser = useTestBrowser();
const field = (page: Page) => page.getByRole('textbox', { name: 'Message' });

/** Pastes what a program put into the clipboard: texts by media type, and a picture if it is to have one. */
const paste = (page: Page, texts: Readonly<Record<string, string>>, picture: 'picture' | 'none') =>
  field(page).evaluate(
    (box, [formats, hasPicture]) => {
      const clipboardData = new DataTransfer();
      for (const [type, text] of Object.entries(formats)) clipboardData.setData(type, text);
      if (hasPicture) clipboardData.items.add(new File(['png'], 'image.png', { type: 'image/png' }));
      const event = new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true });
      // The browser pastes text itself, unless the page prevents it.
      return box.dispatchEvent(event) ? 'text' : 'files';
    },
    [texts, picture === 'picture'] as const,
  );

it('Enter that belongs to an input method does not send, and cells of a spreadsheet are pasted as text', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  await openConversation(ann, ben);
  const { page } = ann;
  await field(page).fill('日本');
  const enter = (init: { isComposing: boolean; keyCode: number }) =>
    field(page).evaluate(
      (box, options) =>
        void box.dispatchEvent(
          new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true, ...options }),
        ),
      init,
    );
  await enter({ isComposing: true, keyCode: 229 });
  // Safari's, after the end of the composition.
  await enter({ isComposing: false, keyCode: 229 });
  expect(await field(page).inputValue()).toBe('日本');
  await field(page).press('Enter');
  await messageRow(page, '日本').waitFor();
  expect(await messageRow(page, '日本').count()).toBe(1);

  const cells = '<meta charset="utf-8"><table><tr><td>1</td><td>2</td></tr></table>';
  expect(await paste(page, { 'text/plain': '1\t2', 'text/html': cells }, 'picture')).toBe('text');
  expect(await paste(page, { 'text/plain': '1\t2', 'text/html': cells }, 'none')).toBe('text');
  expect(await page.getByRole('list', { name: 'Files to send' }).count()).toBe(0);
  // A picture of a page, and a file of the disk.
  expect(await paste(page, { 'text/html': '<meta charset="utf-8"><img src="a.png">' }, 'picture')).toBe('files');
  expect(await paste(page, { 'text/plain': 'image.png' }, 'picture')).toBe('files');
  await page.getByRole('list', { name: 'Files to send' }).getByRole('listitem').nth(1).waitFor();
});

it('the tools of a message appear after a tap, stay under the finger, and take the next tap', async () => {
  const ann = await browser().visitor(uniqueName('Ann'), phone, { hasTouch: true });
  const ben = await browser().client(uniqueName('Ben'));
  await openConversation(ann, ben);
  const { page } = ann;
  const id = openConversationId(page);
  await sendBy(ben, id, 'Shall we?');
  await sendText(page, 'Let us');
  const [row, other] = [messageRow(page, 'Shall we?'), messageRow(page, 'Let us')];
  await other.waitFor();
  const tools = row.locator('.message-tools');
  /** Where tapping begins, the tools are not there yet. */
  const finger = await page.context().newCDPSession(page);
  const { x, y, width, height } = (await row.locator('.bubble-text').boundingBox())!;
  const touchPoints = [{ x: x + width / 2, y: y + height / 2 }];
  await finger.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints });
  expect(await tools.count()).toBe(0);
  await finger.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
  await page.touchscreen.tap(touchPoints[0]!.x, touchPoints[0]!.y);
  await tools.waitFor();

  await tools.getByRole('button', { name: 'Reply' }).tap();
  await page.getByText('Reply to').waitFor();
  await page.getByRole('button', { name: 'Cancel' }).tap();
  await row.locator('.bubble-text').tap();
  await tools.getByRole('button', { name: 'React' }).tap();
  await page.getByRole('group', { name: 'React' }).getByRole('button', { name: 'party popper' }).tap();
  await eventually(async () => expect(await row.getByRole('button', { name: /^🎉 1/ }).count()).toBe(1));
  await other.locator('.bubble-text').tap();
  await other.locator('.message-tools').waitFor();
  expect(await page.locator('.message-tools').count()).toBe(1);
});

it('the focus stays near when what had it goes away: after sending, reacting, deleting, and closing a panel', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  await openConversation(ann, ben);
  const { page } = ann;
  await field(page).fill('First');
  const focused = () =>
    page.evaluate(() => {
      const { activeElement } = document;
      return activeElement?.getAttribute('aria-label') ?? activeElement?.tagName;
    });
  const hasFocus = (name: string | RegExp) => eventually(async () => expect(await focused()).toMatch(name));
  for (let at = 0; (await focused()) !== 'Send' && at < 5; at++) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await hasFocus('Message');
  await sendText(page, 'Second');
  await messageRow(page, 'Second').waitFor();

  await page.keyboard.press('Shift+Tab');
  await messageRow(page, 'Second').focus();
  await messageRow(page, 'Second').getByRole('button', { name: 'React' }).press('Enter');
  await page.getByRole('group', { name: 'React' }).getByRole('button', { name: 'party popper' }).press('Enter');
  const reaction = messageRow(page, 'Second').getByRole('button', { name: /^🎉 1/ });
  await reaction.press('Enter');
  await reaction.waitFor({ state: 'detached' });
  expect(await focused()).not.toBe('BODY');
  await messageRow(page, 'Second').focus();
  await messageRow(page, 'Second').getByRole('button', { name: 'More' }).press('Enter');
  await page.getByRole('menuitem', { name: 'Delete' }).press('Enter');
  await page.getByText('This message was deleted', { exact: true }).waitFor();
  expect(await focused()).not.toBe('BODY');

  await page.getByRole('button', { name: 'Search messages' }).press('Enter');
  await page.getByRole('complementary', { name: 'Search messages' }).waitFor();
  await page.keyboard.press('Escape');
  await hasFocus('Search messages');
});

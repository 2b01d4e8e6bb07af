import { eventually, uniqueName, type ChatClient } from '@parley/testing';
import type { Page } from '@parley/testing/browser';
import { expect, it } from 'vitest';
import { violationsOn } from './axe.js';
import { useTestBrowser } from './hooks.js';
import { conversationLink, messageRow, sendBy, type Size } from './test-browser.js';

const small: Size = { width: 1000, height: 480 };

const browser = useTestBrowser();

/** A visitor with a group in which somebody else writes. The visitor has read the group's first messages. */
async function readerOf(read: number, unread: number) {
  const ann = await browser().visitor(uniqueName('Ann'), small);
  const ben = await browser().client(uniqueName('Ben'));
  const { conversation } = await ben.call('conversation.create', {
    kind: 'group',
    title: 'Garden',
    memberIds: [ann.client.user.id],
  });
  const { id } = conversation;
  const write = async (count: number, name: string) => {
    for (let n = 1; n <= count; n++) await sendBy(ben, id, `${name} ${n}`);
  };
  await write(read, 'Old');
  const { lastSeq } = (await ben.http('conversation.get', { conversationId: id })).conversation;
  await ann.client.http('receipt.read', { conversationId: id, seq: lastSeq });
  await write(unread, 'New');
  await conversationLink(ann.page, 'Garden').getByLabel(`${unread} unread`).waitFor();
  return { ann, ben, id, page: ann.page, lastRead: lastSeq };
}

const me = async (client: ChatClient, conversationId: string) =>
  (await client.http('conversation.get', { conversationId })).conversation.me!;

/** The rows of which the end is in the timeline's viewport. */
const visibleSeqs = (page: Page): Promise<number[]> =>
  page.getByRole('log', { name: 'Messages' }).evaluate((box) => {
    const { top, bottom } = box.getBoundingClientRect();
    return [...box.querySelectorAll<HTMLElement>('[data-seq]')]
      .filter((row) => row.getBoundingClientRect().bottom > top && row.getBoundingClientRect().bottom <= bottom + 1)
      .map((row) => Number(row.dataset['seq']));
  });

/** Makes the page think that it has the focus, or that another window has it. */
const setFocus = (page: Page, hasFocus: boolean) =>
  page.evaluate((focused) => {
    document.hasFocus = () => focused;
    dispatchEvent(new Event(focused ? 'focus' : 'blur'));
  }, hasFocus);

const frames = (page: Page, count = 3) =>
  page.evaluate(async (times) => {
    for (let n = 0; n < times; n++) await new Promise((resolve) => requestAnimationFrame(resolve));
    await new Promise((resolve) => setTimeout(resolve));
  }, count);

it('a conversation with 40 unread messages opens at the first one, and what was not on the screen stays unread', async () => {
  const { ann, id, page, lastRead } = await readerOf(20, 40);
  await conversationLink(page, 'Garden').click();
  await page.locator('.unread-line').waitFor();
  const visible = await visibleSeqs(page);
  expect(visible).toContain(lastRead + 1);
  expect(visible.length).toBeLessThan(20);
  const last = visible.at(-1)!;
  await eventually(async () =>
    expect(await me(ann.client, id)).toMatchObject({ readSeq: last, unread: lastRead + 40 - last }),
  );
  await conversationLink(page, 'Garden')
    .getByLabel(`${lastRead + 40 - last} unread`)
    .waitFor();

  await page.getByRole('log', { name: 'Messages' }).hover();
  await page.mouse.wheel(0, 200);
  await eventually(async () => expect((await visibleSeqs(page)).at(-1)).toBeGreaterThan(last));
  await eventually(async () => expect((await me(ann.client, id)).readSeq).toBe((await visibleSeqs(page)).at(-1)));
});

it('a conversation with 450 unread messages opens at the first one', async () => {
  const { ann, id, page, lastRead } = await readerOf(40, 450);
  await conversationLink(page, 'Garden').click();
  await page.locator('.unread-line + [data-seq]').waitFor();
  expect(await page.locator('.unread-line + [data-seq]').getAttribute('data-seq')).toBe(`${lastRead + 1}`);
  const visible = await visibleSeqs(page);
  expect(visible).toContain(lastRead + 1);
  await eventually(async () => expect((await me(ann.client, id)).readSeq).toBe(visible.at(-1)));

  // What was skipped is not read; the user can say so.
  await page.getByRole('button', { name: /^Jump to newest/ }).click();
  await messageRow(page, 'New 450').waitFor();
  await frames(page);
  await page.getByRole('button', { name: 'Mark as read' }).waitFor();
  expect((await me(ann.client, id)).readSeq).toBe(visible.at(-1));
  await page
    .getByRole('button', { name: /^\d+ new since \d\d:\d\d$/ })
    .last()
    .click();
  await eventually(async () => expect(await visibleSeqs(page)).toContain(visible.at(-1)! + 1));
  await page.getByRole('button', { name: /^Jump to newest/ }).click();
  await page.getByRole('button', { name: 'Mark as read' }).click();
  await eventually(async () => expect((await me(ann.client, id)).unread).toBe(0));
  await conversationLink(page, 'Garden')
    .getByLabel(/unread/)
    .waitFor({ state: 'detached' });
});

it.each([60, 400])('%i messages open at the first unread one with at most two requests', async (unread) => {
  const { page, lastRead } = await readerOf(60, unread);
  const requests: string[] = [];
  page.on('request', (request) => {
    if (/\/conversations\/|\/sync/.test(request.url())) requests.push(request.url());
  });
  page.on('websocket', () => requests.push('a new connection'));
  await page.evaluate(() => {
    const { send } = WebSocket.prototype;
    const sent: string[] = ((globalThis as { sent?: string[] }).sent = []);
    WebSocket.prototype.send = function (data) {
      if (typeof data === 'string' && /"(?:conversation:|sync)/.test(data)) sent.push(data);
      return send.call(this, data);
    };
  });
  await conversationLink(page, 'Garden').click();
  await page.locator(`[data-seq="${lastRead + 1}"]`).waitFor();
  await eventually(async () => expect((await visibleSeqs(page)).length).toBeGreaterThan(3));
  await frames(page, 10);
  const sent = await page.evaluate(() => (globalThis as { sent?: string[] }).sent!);
  expect([...requests, ...sent].length).toBeLessThanOrEqual(2);
  expect(sent.filter((packet) => packet.includes('conversation:open'))).toHaveLength(1);
});

it('a page without the focus reads nothing, and new messages stop at its first unseen one', async () => {
  const { ann, ben, id, page, lastRead } = await readerOf(30, 1);
  await conversationLink(page, 'Garden').click();
  await eventually(async () => expect((await me(ann.client, id)).unread).toBe(0));
  await setFocus(page, false);
  for (let n = 1; n <= 30; n++) await sendBy(ben, id, `Later ${n}`);
  await conversationLink(page, 'Garden').getByLabel('30 unread').waitFor();
  await frames(page);
  expect(await me(ann.client, id)).toMatchObject({ readSeq: lastRead + 1, unread: 30 });
  await setFocus(page, true);
  const visible = await visibleSeqs(page);
  expect(visible).toContain(lastRead + 2);
  await eventually(async () => expect((await me(ann.client, id)).readSeq).toBe(visible.at(-1)));
});

it('messages behind a dialog, or behind a panel of a narrow window, are not read until it is closed', async () => {
  const { ann, ben, id, page } = await readerOf(3, 1);
  await conversationLink(page, 'Garden').click();
  await eventually(async () => expect((await me(ann.client, id)).unread).toBe(0));
  const arrivesBehind = async (text: string) => {
    await sendBy(ben, id, text);
    await messageRow(page, text).waitFor({ state: 'attached' });
    await frames(page);
    expect((await me(ann.client, id)).unread).toBe(1);
  };
  await page.keyboard.press('Control+k');
  await page.getByRole('dialog', { name: 'Find' }).waitFor();
  await arrivesBehind('Behind the dialog');
  await page.keyboard.press('Escape');
  await eventually(async () => expect((await me(ann.client, id)).unread).toBe(0));

  await page.setViewportSize({ width: 700, height: 480 });
  await page.getByRole('button', { name: 'Search messages' }).click();
  await arrivesBehind('Behind the panel');
  await page.getByRole('button', { name: 'Close' }).click();
  await eventually(async () => expect((await me(ann.client, id)).unread).toBe(0));
});

it('messages marked as unread stay so until the conversation is opened again, at the first of them', async () => {
  const { ann, ben, id, page } = await readerOf(60, 2);
  await conversationLink(page, 'Garden').click();
  await eventually(async () => expect((await me(ann.client, id)).unread).toBe(0));
  const visible = await visibleSeqs(page);
  const marked = visible[1]!;
  const row = page.locator(`[data-seq="${marked}"]`);
  await row.hover();
  await row.getByRole('button', { name: 'More' }).click();
  await page.getByRole('menuitem', { name: 'Mark unread from here' }).click();
  await eventually(async () => expect((await me(ann.client, id)).unreadFrom).toBe(marked));

  const count = (await me(ann.client, id)).unread;
  await page.getByRole('log', { name: 'Messages' }).hover();
  await page.mouse.wheel(0, -300);
  await frames(page);
  await page.mouse.wheel(0, 600);
  await setFocus(page, false);
  await setFocus(page, true);
  await sendBy(ben, id, 'One more');
  await messageRow(page, 'One more').waitFor();
  await frames(page);
  await conversationLink(page, 'Garden')
    .getByLabel(`${count + 1} unread`)
    .waitFor();
  expect(await me(ann.client, id)).toMatchObject({ unreadFrom: marked, unread: count + 1 });

  await page.getByRole('link', { name: 'People' }).click();
  await page.getByRole('heading', { name: 'Contacts' }).waitFor();
  await conversationLink(page, 'Garden').click();
  await page.locator('.unread-line + [data-seq]').waitFor();
  expect(await page.locator('.unread-line + [data-seq]').getAttribute('data-seq')).toBe(`${marked}`);
  await frames(page);
  await page.getByRole('log', { name: 'Messages' }).hover();
  await page.mouse.wheel(0, 2_000);
  await eventually(async () => expect((await me(ann.client, id)).unread).toBe(0));
  expect(await me(ann.client, id)).not.toHaveProperty('unreadFrom');
});

it('a bar tells since when messages are unread, below what is shown and above it', async () => {
  const { page } = await readerOf(30, 40);
  await conversationLink(page, 'Garden').click();
  await page.locator('.unread-line').waitFor();
  const bar = page.getByRole('button', { name: /^\d+ new since \d\d:\d\d$/ });
  await page
    .locator('.unread-below')
    .getByRole('button', { name: /new since/ })
    .waitFor();
  await page.getByRole('button', { name: /^Jump to newest/ }).click();
  await page
    .locator('.unread-above')
    .getByRole('button', { name: /new since/ })
    .waitFor();
  const count = Number.parseInt((await bar.textContent())!, 10);
  await bar.click();
  await eventually(async () => expect(await visibleSeqs(page)).toContain(30 + 1 + 40 - count + 1));
});

it('a button goes to the next unread mention, and to the one after that', async () => {
  const { ann, ben, id, page } = await readerOf(20, 60);
  const { username } = ann.client.user;
  await sendBy(ben, id, `First for @${username}`);
  for (let n = 1; n <= 40; n++) await sendBy(ben, id, `Between ${n}`);
  await sendBy(ben, id, `Second for @${username}`);
  for (let n = 1; n <= 40; n++) await sendBy(ben, id, `After ${n}`);
  await conversationLink(page, 'Garden').click();
  await page.locator('.unread-line').waitFor();
  const next = page.getByRole('button', { name: 'Jump to the next mention of you' });
  const flashing = (text: string) => page.locator('.message.flash', { hasText: text });
  await next.click();
  await flashing('First for').waitFor();
  await next.click();
  await flashing('Second for').waitFor();
  expect(await visibleSeqs(page)).toContain(20 + 1 + 60 + 1 + 40 + 1);
});

it('a date leads to the first message of that day', async () => {
  const { page } = await readerOf(250, 1);
  await conversationLink(page, 'Garden').click();
  await messageRow(page, 'New 1').waitFor();
  const requests: string[] = [];
  page.on('request', (request) => {
    if (request.url().includes('/messages?')) requests.push(request.url());
  });
  const jumpTo = async (day: Date) => {
    await page.getByRole('button', { name: 'More' }).first().click();
    await page.getByRole('menuitem', { name: 'Jump to date' }).click();
    const dialog = page.getByRole('dialog', { name: 'Jump to date' });
    await dialog.getByLabel('Day').fill(day.toISOString().slice(0, 10));
    await dialog.getByRole('button', { name: 'Jump', exact: true }).click();
    return dialog;
  };
  const dialog = await jumpTo(new Date(Date.now() + 3 * 86_400_000));
  await dialog.getByText('There is no message of that day or later.').waitFor();
  expect(await violationsOn(page, 'jump to date')).toEqual([]);
  await page.keyboard.press('Escape');
  requests.length = 0;
  await jumpTo(new Date(Date.now() - 3 * 86_400_000));
  await eventually(async () => expect(await visibleSeqs(page)).toContain(1));
  await messageRow(page, 'Old 1').first().waitFor();
  expect(requests.length).toBeLessThanOrEqual(4);
});

import { eventually, uniqueName } from '@parley/testing';
import { expect, it } from 'vitest';
import { useTestBrowser } from './hooks.js';
import { messageRow, sendBy } from './test-browser.js';

/** Messages in the long conversation. The timeline is made for five times as many: `LONG=10000 npm test …`. */
const LONG = Number(process.env['LONG'] ?? 2_000);

const browser = useTestBrowser();

it('a long conversation scrolls with at most 200 rows in the page, in order and without a gap', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  const { conversation } = await ben.call('conversation.create', {
    kind: 'group',
    title: 'Long',
    memberIds: [ann.client.user.id],
  });
  for (let first = 0; first < LONG; first += 500)
    await Promise.all(Array.from({ length: 500 }, (_, at) => sendBy(ben, conversation.id, `Number ${first + at + 1}`)));
  await ben.call('receipt.read', { conversationId: conversation.id, seq: LONG + 1 });
  await ann.page.goto(`${browser().url}/c/${conversation.id}?at=${LONG / 2 + 1}`);
  await messageRow(ann.page, `Number ${LONG / 2}`).waitFor();

  const scroller = ann.page.getByRole('log', { name: 'Messages' });
  let maxRows = 0;
  let lowest = Infinity;
  let gaps = 0;
  // Scrolls until many pages have been loaded and rows have been removed. How far a step gets depends on the machine.
  await eventually(
    async () => {
      const seen = await scroller.evaluate(async (box) => {
        box.scrollTop -= 1500;
        await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
        return [...box.querySelectorAll<HTMLElement>('[data-seq]')].map((row) => Number(row.dataset['seq']));
      });
      maxRows = Math.max(maxRows, seen.length);
      lowest = Math.min(lowest, seen[0] ?? Infinity);
      gaps += seen.filter((seq, at) => seq !== seen[0]! + at).length;
      return lowest < LONG / 2 - 500;
    },
    { timeoutMs: 150_000, intervalMs: 1 },
  );
  expect(gaps).toBe(0);
  expect(maxRows).toBeLessThanOrEqual(200);
  await ann.page.getByRole('button', { name: /^Jump to newest/ }).click();
  await messageRow(ann.page, `Number ${LONG}`).waitFor();
  await sendBy(ben, conversation.id, 'And one more');
  await messageRow(ann.page, 'And one more').waitFor();
});

it('a new message does not move the message that is being read', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  const { conversation } = await ben.call('conversation.create', {
    kind: 'group',
    title: 'Steady',
    memberIds: [ann.client.user.id],
  });
  await Promise.all(Array.from({ length: 120 }, (_, at) => sendBy(ben, conversation.id, `Line ${at + 1}`)));
  await ann.page.goto(`${browser().url}/c/${conversation.id}?at=61`);
  await messageRow(ann.page, 'Line 60').waitFor();
  const position = async () => Math.round((await ann.page.locator('[data-seq="61"]').boundingBox())!.y);
  await eventually(async () => (await position()) > 0);
  const before = await position();
  for (let at = 0; at < 5; at++) await sendBy(ben, conversation.id, `Later ${at}`);
  await ann.page.getByRole('button', { name: /^Jump to newest, \d+ unread/ }).waitFor();
  expect(await position()).toBe(before);
});

it('older messages are loaded after a jump to a message that is in the page already', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  const { conversation } = await ben.call('conversation.create', {
    kind: 'group',
    title: 'Jumps',
    memberIds: [ann.client.user.id],
  });
  const { id: conversationId } = conversation;
  for (let at = 1; at <= 120; at++) await sendBy(ben, conversationId, `Line ${at}.`);
  const { items } = await ben.http('conversation.history', { conversationId });
  const quoted = items.find(({ body }) => body === 'Line 80.')!;
  const { message } = await ben.call('message.send', {
    conversationId,
    clientId: uniqueName('m'),
    body: 'As I said',
    replyTo: quoted.id,
  });
  await ann.client.http('receipt.read', { conversationId, seq: message.seq });
  await ann.page.goto(`${browser().url}/c/${conversationId}`);
  await messageRow(ann.page, 'As I said').locator('.quote', { hasText: 'Line 80.' }).click();
  const scroller = ann.page.getByRole('log', { name: 'Messages' });
  const middle = (await scroller.boundingBox())!;
  await eventually(async () => {
    const box = (await ann.page.locator(`[data-seq="${quoted.seq}"]`).boundingBox())!;
    return box.y > middle.y && box.y < middle.y + middle.height;
  });
  // Nothing scrolls any more once the top is reached: loading has to go on by itself.
  await scroller.evaluate((box) => box.scrollTo(0, 0));
  await eventually(async () => {
    await scroller.evaluate((box) => box.scrollTo(0, 0));
    return (await messageRow(ann.page, 'Line 1.').count()) > 0;
  });
});

it('a reply to a message that is not loaded shows it, as it is now, and leads to it', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  const { conversation } = await ben.call('conversation.create', {
    kind: 'group',
    title: 'Quotes',
    memberIds: [ann.client.user.id],
  });
  const { id: conversationId } = conversation;
  const { message: early } = await sendBy(ben, conversationId, 'The very first');
  for (let at = 1; at <= 150; at++) await sendBy(ben, conversationId, `Line ${at}.`);
  const reply = { conversationId, clientId: uniqueName('m'), body: 'I meant this', replyTo: early.id };
  const { message } = await ben.call('message.send', reply);
  await ann.client.http('receipt.read', { conversationId, seq: message.seq });
  await ann.page.goto(`${browser().url}/c/${conversationId}`);
  const quote = messageRow(ann.page, 'I meant this').locator('.quote');
  await quote.getByText('The very first').waitFor();
  await ben.call('message.edit', { messageId: early.id, body: 'The very first one' });
  await quote.getByText('The very first one').waitFor();
  await quote.click();
  await ann.page.locator(`[data-seq="${early.seq}"]`).waitFor();
});

it('a scroll is kept when messages arrive before the page hears of it', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  const { conversation } = await ben.call('conversation.create', {
    kind: 'group',
    title: 'Pace',
    memberIds: [ann.client.user.id],
  });
  const { id: conversationId } = conversation;
  for (let at = 1; at <= 45; at++) await sendBy(ben, conversationId, `Line ${at}.`);
  await ann.client.http('receipt.read', { conversationId, seq: 46 });
  await ann.page.goto(`${browser().url}/c/${conversationId}`);
  await messageRow(ann.page, 'Line 45.').waitFor();
  const scroller = ann.page.getByRole('log', { name: 'Messages' });
  const top = await scroller.evaluate((box) => box.scrollTop);
  // Holds back the page's scroll events until the next message is shown.
  await scroller.evaluate((box) => {
    const hold = (event: Event) => event.stopImmediatePropagation();
    addEventListener('scroll', hold, true);
    box.scrollTop -= 300;
    (globalThis as { release?: () => void }).release = () => removeEventListener('scroll', hold, true);
  });
  await sendBy(ben, conversationId, 'One more');
  await messageRow(ann.page, 'One more').waitFor();
  await ann.page.evaluate(() => (globalThis as { release?: () => void }).release!());
  expect(Math.abs((await scroller.evaluate((box) => box.scrollTop)) - (top - 300))).toBeLessThanOrEqual(2);
});

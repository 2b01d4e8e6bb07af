import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, uniqueName } from '@parley/testing';
import type { Page } from '@parley/testing/browser';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { useTestBrowser } from './hooks.js';
import { keptByBrowser } from './kept-by-browser.js';
import {
  conversationLink,
  messageRow,
  openConversation,
  openConversationId,
  sendBy,
  sendText,
  storedTick,
} from './test-browser.js';

const browser = useTestBrowser();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-drops-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const field = (page: Page) => page.getByRole('textbox', { name: 'Message' });
const filesToSend = (page: Page) => page.getByRole('list', { name: 'Files to send' });
const uploaded = (page: Page) => filesToSend(page).getByRole('progressbar').first().waitFor({ state: 'detached' });
const chooseFiles = (page: Page, ...names: string[]) =>
  page
    .locator('.composer input[type=file]')
    .setInputFiles(names.map((name) => ({ name, mimeType: 'text/plain', buffer: Buffer.from(`This is ${name}.`) })));

async function beginReply(page: Page, text: string): Promise<void> {
  // Unlike the pointer, the focus stays with the row when a new message moves it.
  await messageRow(page, text).focus();
  await messageRow(page, text).getByRole('button', { name: 'Reply' }).click();
  await page.getByText('Reply to').waitFor();
}

async function beginEdit(page: Page, text: string): Promise<void> {
  await messageRow(page, text).hover();
  await messageRow(page, text).getByRole('button', { name: 'More' }).click();
  await page.getByRole('menuitem', { name: 'Edit' }).click();
}

/** Drops files and folders of the disk on the page, as a person does. */
async function drop(page: Page, x: number, y: number, files: string[]): Promise<void> {
  const devtools = await page.context().newCDPSession(page);
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
    await devtools.send('Input.dispatchDragEvent', { type, x, y, data: { items: [], files, dragOperationsMask: 1 } });
  await devtools.detach();
}

/** Lets a test hold back what the server sends to a page over its socket. The page is loaded anew. */
async function holdableSocket(page: Page) {
  let isHolding = false;
  const held: (() => void)[] = [];
  await page.routeWebSocket(/\/socket\.io\//, (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((message) => server.send(message));
    server.onMessage((message) => void (isHolding ? held.push(() => socket.send(message)) : socket.send(message)));
  });
  await page.reload();
  return {
    hold: () => void (isHolding = true),
    release() {
      isHolding = false;
      for (const send of held.splice(0)) send();
    },
  };
}

it('a text, a reply and a file that were not sent are there after a reload, and are sent then', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  await openConversation(ann, ben);
  const { message: question } = await sendBy(ben, openConversationId(ann.page), 'What do we need?');
  await beginReply(ann.page, 'What do we need?');
  await field(ann.page).fill('Half a sentence');
  await chooseFiles(ann.page, 'list.txt');
  await uploaded(ann.page);

  await ann.page.reload();
  await ann.page.getByText('Reply to').waitFor();
  await filesToSend(ann.page).getByText('list.txt').waitFor();
  expect(await field(ann.page).inputValue()).toBe('Half a sentence');
  await field(ann.page).press('Enter');
  const { payload } = await ben.waitFor('message:new', ({ message }) => message.body === 'Half a sentence');
  expect(payload.message.replyTo).toBe(question.id);
  expect(payload.message.attachments.map(({ name }) => name)).toEqual(['list.txt']);
  await ann.page.reload();
  await messageRow(ann.page, 'Half a sentence').waitFor();
  expect(await field(ann.page).inputValue()).toBe('');
  expect(await filesToSend(ann.page).count()).toBe(0);
});

it('a file whose upload a reload interrupted is uploaded again', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  await openConversation(ann, ben);
  await ann.page.route('**/api/v1/attachments', () => undefined);
  await chooseFiles(ann.page, 'plan.txt');
  await filesToSend(ann.page).getByRole('progressbar').waitFor();
  await eventually(async () => expect((await keptByBrowser(ann.page)).join()).toContain('plan.txt'));
  await ann.page.unroute('**/api/v1/attachments');
  await ann.page.reload();
  await filesToSend(ann.page).getByText('plan.txt').waitFor();
  await uploaded(ann.page);
  await ann.page.getByRole('button', { name: 'Send', exact: true }).click();
  const { payload } = await ben.waitFor('message:new', ({ message }) => message.attachments.length === 1);
  expect(payload.message.attachments[0]).toMatchObject({ name: 'plan.txt', size: 'This is plan.txt.'.length });
});

it('a draft stays in its conversation while another is open, and the list shows it', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const [ben, eve] = await Promise.all([browser().client(uniqueName('Ben')), browser().client(uniqueName('Eve'))]);
  await openConversation(ann, ben);
  await sendBy(ben, openConversationId(ann.page), 'And then?');
  await beginReply(ann.page, 'And then?');
  await field(ann.page).fill('We went home');
  await chooseFiles(ann.page, 'way.txt');
  await openConversation(ann, eve);
  await ann.page.locator('.conversation-head h2', { hasText: eve.user.displayName }).waitFor();
  expect(await field(ann.page).inputValue()).toBe('');
  expect(await filesToSend(ann.page).count()).toBe(0);
  await conversationLink(ann.page, ben.user.displayName).getByText('Draft: We went home').waitFor();

  await conversationLink(ann.page, ben.user.displayName).click();
  await ann.page.getByText('Reply to').waitFor();
  await filesToSend(ann.page).getByText('way.txt').waitFor();
  expect(await field(ann.page).inputValue()).toBe('We went home');
});

it('an upload goes on while another conversation is open', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const [ben, eve] = await Promise.all([browser().client(uniqueName('Ben')), browser().client(uniqueName('Eve'))]);
  await openConversation(ann, ben);
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  let requests = 0;
  await ann.page.route('**/api/v1/attachments', async (route) => {
    requests++;
    await held;
    await route.continue();
  });
  await chooseFiles(ann.page, 'long.txt');
  await filesToSend(ann.page).getByRole('progressbar').waitFor();
  await openConversation(ann, eve);
  const answered = ann.page.waitForResponse((response) => response.url().endsWith('/api/v1/attachments'));
  release();
  expect((await answered).status()).toBe(201);
  await conversationLink(ann.page, ben.user.displayName).click();
  await filesToSend(ann.page).getByText('long.txt').waitFor();
  await uploaded(ann.page);
  await ann.page.getByRole('button', { name: 'Send', exact: true }).click();
  await ben.waitFor('message:new', ({ message }) => message.attachments[0]?.name === 'long.txt');
  expect(requests).toBe(1);
});

it('an edit that the server refuses stays open with its text, also over a reload', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  await openConversation(ann, ben);
  await sendText(ann.page, 'Frist');
  await storedTick(ann.page, 'Frist').waitFor();
  await beginEdit(ann.page, 'Frist');
  await ann.client.http('block.add', { userId: ben.user.id });
  await field(ann.page).fill('First');
  await field(ann.page).press('Enter');
  await ann.page.getByRole('alert').getByText('One of you has blocked the other.').waitFor();
  expect(await field(ann.page).inputValue()).toBe('First');
  await ann.page.reload();
  await ann.page.getByText('Edit message').waitFor();
  expect(await field(ann.page).inputValue()).toBe('First');

  await ann.client.http('block.remove', { userId: ben.user.id });
  await field(ann.page).press('Enter');
  await messageRow(ann.page, 'First').getByText('edited').waitFor();
  await ann.page.getByText('Edit message').waitFor({ state: 'detached' });
  expect(await field(ann.page).inputValue()).toBe('');
});

it('a message over the limit of bytes stays in the composer, which counts them', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  await openConversation(ann, ben);
  const send = ann.page.getByRole('button', { name: 'Send', exact: true });
  // Each of these letters has two bytes; the limit is 8 KiB.
  await field(ann.page).fill('ö'.repeat(4097));
  await ann.page.getByText('2 bytes too long').waitFor();
  expect(await send.isDisabled()).toBe(true);
  await field(ann.page).press('Enter');
  expect(await field(ann.page).inputValue()).toHaveLength(4097);
  await field(ann.page).fill('ö'.repeat(4000));
  await ann.page.getByText('192 bytes left').waitFor();
  await field(ann.page).fill('ö'.repeat(4096));
  await ann.page.getByText('0 bytes left').waitFor();
  await send.click();
  await ben.waitFor('message:new', ({ message }) => message.body === 'ö'.repeat(4096));
  await ann.page.getByText('bytes left').waitFor({ state: 'detached' });
});

it('a message that the server refuses goes back into the composer, unless something else is there', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  await openConversation(ann, ben);
  await chooseFiles(ann.page, 'roses.txt');
  await uploaded(ann.page);
  await ann.client.http('block.add', { userId: ben.user.id });
  await sendText(ann.page, 'Not yet');
  await ann.page.getByRole('alert').getByText('One of you has blocked the other.').waitFor();
  expect(await field(ann.page).inputValue()).toBe('Not yet');
  expect(await messageRow(ann.page, 'Not yet').count()).toBe(0);
  await filesToSend(ann.page).getByText('roses.txt').waitFor();

  const socket = await holdableSocket(ann.page);
  await filesToSend(ann.page).getByText('roses.txt').waitFor();
  expect(await field(ann.page).inputValue()).toBe('Not yet');
  await ann.page.locator('.conversation-head', { hasText: 'Offline' }).waitFor();
  socket.hold();
  await field(ann.page).press('Enter');
  await messageRow(ann.page, 'Not yet').waitFor();
  await field(ann.page).fill('Something else');
  socket.release();
  await messageRow(ann.page, 'Not yet').getByText('One of you has blocked the other.').waitFor();
  expect(await field(ann.page).inputValue()).toBe('Something else');
  await messageRow(ann.page, 'Not yet').getByRole('button', { name: 'Edit' }).click();
  await filesToSend(ann.page).getByText('roses.txt').waitFor();
  expect(await field(ann.page).inputValue()).toBe('Something else\nNot yet');
});

it('a reply whose original was deleted meanwhile is sent without it', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  await openConversation(ann, ben);
  const { message: first } = await sendBy(ben, openConversationId(ann.page), 'First question');
  const { message: second } = await sendBy(ben, openConversationId(ann.page), 'Second question');
  await messageRow(ann.page, 'Second question').waitFor();
  await beginReply(ann.page, 'First question');
  await field(ann.page).fill('First answer');
  await ben.call('message.delete', { messageId: first.id });
  await ann.page.getByText('Yours is sent without the reply.').waitFor();
  await field(ann.page).press('Enter');
  const { payload } = await ben.waitFor('message:new', ({ message }) => message.body === 'First answer');
  expect(payload.message.replyTo).toBeUndefined();

  const socket = await holdableSocket(ann.page);
  await messageRow(ann.page, 'First answer').waitFor();
  await beginReply(ann.page, 'Second question');
  await field(ann.page).fill('Second answer');
  // The page sends before it learns of the deletion.
  socket.hold();
  await ben.call('message.delete', { messageId: second.id });
  await field(ann.page).press('Enter');
  socket.release();
  await ann.page.getByText('You can send yours without the reply.').waitFor();
  expect(await field(ann.page).inputValue()).toBe('Second answer');
  await field(ann.page).press('Enter');
  const again = await ben.waitFor('message:new', ({ message }) => message.body === 'Second answer');
  expect(again.payload.message.replyTo).toBeUndefined();
});

it('a recording that cannot be sent waits, and goes out as the reply that was begun', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const [ben, eve] = await Promise.all([browser().client(uniqueName('Ben')), browser().client(uniqueName('Eve'))]);
  await openConversation(ann, ben);
  const { message: question } = await sendBy(ben, openConversationId(ann.page), 'How does it sound?');
  await beginReply(ann.page, 'How does it sound?');
  await ann.page.getByRole('button', { name: 'Record a voice message' }).click();
  await ann.page.getByRole('timer').filter({ hasText: '0:01' }).waitFor();
  await ann.page.route('**/api/v1/attachments', (route) => route.abort());
  await ann.page.getByRole('button', { name: 'Send the recording' }).click();
  await ann.page.getByRole('button', { name: 'Try again' }).waitFor();
  await openConversation(ann, eve);
  await conversationLink(ann.page, ben.user.displayName).getByText('Draft: 🎤 Voice message').waitFor();
  await conversationLink(ann.page, ben.user.displayName).click();
  await ann.page.getByText('As a reply to: How does it sound?').waitFor();
  await ann.page.unroute('**/api/v1/attachments');
  await ann.page.getByRole('button', { name: 'Try again' }).click();
  const { payload } = await ben.waitFor('message:new', ({ message }) => message.type === 'voice');
  expect(payload.message.replyTo).toBe(question.id);
  await ann.page.getByRole('button', { name: 'Try again' }).waitFor({ state: 'detached' });
});

it('a recording that is left for another conversation waits until it is sent', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const [ben, eve] = await Promise.all([browser().client(uniqueName('Ben')), browser().client(uniqueName('Eve'))]);
  await openConversation(ann, eve);
  await openConversation(ann, ben);
  await ann.page.getByRole('button', { name: 'Record a voice message' }).click();
  await ann.page.getByRole('timer').filter({ hasText: '0:01' }).waitFor();
  await conversationLink(ann.page, eve.user.displayName).click();
  await conversationLink(ann.page, ben.user.displayName).getByText('Draft: 🎤 Voice message').waitFor();
  await conversationLink(ann.page, ben.user.displayName).click();
  await ann.page.getByRole('button', { name: 'Send it' }).click();
  await ben.waitFor('message:new', ({ message }) => message.type === 'voice');
});

it('a recording that a reload interrupts waits until it is sent, and one that was discarded does not', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  await openConversation(ann, ben);
  const pieces = async () => (await keptByBrowser(ann.page)).filter((entry) => entry.includes('recording/')).length;
  const record = async () => {
    await ann.page.getByRole('button', { name: 'Record a voice message' }).click();
    await eventually(async () => expect(await pieces()).toBeGreaterThan(0));
  };
  await record();
  await ann.page.getByRole('button', { name: 'Discard the recording' }).click();
  await eventually(async () => expect(await pieces()).toBe(0));

  await record();
  await ann.page.reload();
  await ann.page.getByText('You have a recording that is not sent.').waitFor();
  await ann.page.getByRole('button', { name: 'Send it' }).click();
  const { payload } = await ben.waitFor('message:new', ({ message }) => message.type === 'voice');
  expect(payload.message.attachments[0]!.size).toBeGreaterThan(100);
  await eventually(async () => expect(await pieces()).toBe(0));
});

it('files that are not taken or not sent are named', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  await openConversation(ann, ben);
  await chooseFiles(ann.page, ...Array.from({ length: 21 }, (_, at) => `page-${at + 1}.txt`));
  await ann.page.getByText('Not taken: page-21.txt. A message has at most 20 files.').waitFor();
  expect(await filesToSend(ann.page).getByRole('listitem').count()).toBe(20);
  for (let left = 20; left > 0; left--)
    await filesToSend(ann.page)
      .getByRole('button', { name: /^Remove/ })
      .first()
      .click();
  await ann.page.getByRole('button', { name: 'Dismiss' }).click();

  const program = { name: 'tool.exe', mimeType: 'application/octet-stream', buffer: Buffer.from('MZ\x90\x00\x03\x00') };
  await chooseFiles(ann.page, 'notes.txt');
  await uploaded(ann.page);
  await ann.page.locator('.composer input[type=file]').setInputFiles([program]);
  await filesToSend(ann.page).getByText('Files of this kind can’t be sent.').waitFor();
  await ann.page.getByRole('button', { name: 'Send', exact: true }).click();
  const { payload } = await ben.waitFor('message:new', ({ message }) => message.attachments.length > 0);
  expect(payload.message.attachments.map(({ name }) => name)).toEqual(['notes.txt']);
  await ann.page.getByText('Not sent: tool.exe.').waitFor();
  await filesToSend(ann.page).getByText('tool.exe').waitFor();
});

it('files that are dropped on the list of conversations land in the open one, and folders are named', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  await openConversation(ann, ben);
  await mkdir(join(folder, 'photos'), { recursive: true });
  await writeFile(join(folder, 'map.txt'), 'Left, then right.');
  const list = (await ann.page.getByRole('complementary', { name: 'Chats', exact: true }).boundingBox())!;
  await drop(ann.page, list.x + 40, list.y + 300, [join(folder, 'map.txt'), join(folder, 'photos')]);
  await filesToSend(ann.page).getByText('map.txt').waitFor();
  await ann.page.getByText('Folders can’t be sent: photos.').waitFor();
  expect(await filesToSend(ann.page).getByRole('listitem').count()).toBe(1);
});

it('what was written stays, and can be copied, when one is removed from the conversation', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  const { conversation } = await ben.call('conversation.create', {
    kind: 'group',
    title: 'Garden',
    memberIds: [ann.client.user.id],
  });
  await conversationLink(ann.page, 'Garden').click();
  await field(ann.page).fill('Three long paragraphs');
  await ann.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await ben.http('member.remove', { conversationId: conversation.id, userId: ann.client.user.id });
  const kept = ann.page.getByRole('region', { name: 'What you had not sent' });
  await kept.waitFor();
  expect(await kept.getByRole('textbox').inputValue()).toBe('Three long paragraphs');
  await kept.getByRole('button', { name: 'Copy text' }).click();
  await ann.page.getByText('Copied').waitFor();
  expect(await ann.page.evaluate(() => navigator.clipboard.readText())).toBe('Three long paragraphs');
});

it('where the browser has no room for a draft, the composer says so, and keeps it while the page is open', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const [ben, eve] = await Promise.all([browser().client(uniqueName('Ben')), browser().client(uniqueName('Eve'))]);
  await ann.page.addInitScript(() => {
    Storage.prototype.setItem = () => {
      throw new DOMException('full', 'QuotaExceededError');
    };
  });
  await ann.page.reload();
  await openConversation(ann, eve);
  await openConversation(ann, ben);
  await field(ann.page).fill('Half a sentence');
  await ann.page.getByRole('alert').getByText('What is not sent is lost when the page is closed.').waitFor();
  await chooseFiles(ann.page, 'list.txt');
  await uploaded(ann.page);
  await conversationLink(ann.page, eve.user.displayName).click();
  await conversationLink(ann.page, ben.user.displayName).click();
  expect(await field(ann.page).inputValue()).toBe('Half a sentence');
  await field(ann.page).press('Enter');
  const { payload } = await ben.waitFor('message:new', ({ message }) => message.body === 'Half a sentence');
  expect(payload.message.attachments).toHaveLength(1);
});

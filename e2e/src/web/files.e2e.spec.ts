import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, uniqueName } from '@parley/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { useTestBrowser } from './hooks.js';
import { conversationLink, openConversation, phone, sendText } from './test-browser.js';

const browser = useTestBrowser();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-downloads-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('files can be viewed before sending and downloaded afterwards', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().visitor(uniqueName('Ben'), phone);
  await openConversation(ann, ben.client);
  const picture = await ann.page.screenshot({ clip: { x: 0, y: 0, width: 320, height: 200 } });
  await ann.page.locator('input[type=file]').setInputFiles([
    { name: 'view.png', mimeType: 'image/png', buffer: picture },
    { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('Bring bread.') },
  ]);
  await ann.page.getByRole('list', { name: 'Files to send' }).getByRole('img', { name: 'view.png' }).waitFor();
  await ann.page
    .getByRole('list', { name: 'Files to send' })
    .getByRole('progressbar')
    .first()
    .waitFor({ state: 'detached' });
  await sendText(ann.page, 'Look');

  await conversationLink(ben.page, ann.name).click();
  const image = ben.page.getByRole('img', { name: 'view.png' });
  await image.waitFor();
  await eventually(async () => (await image.evaluate((element) => (element as HTMLImageElement).naturalWidth)) > 0);
  await ben.page.getByRole('button', { name: 'Open picture view.png' }).click();
  const viewed = ben.page.getByRole('dialog', { name: 'view.png' }).getByRole('img');
  await eventually(
    async () => (await viewed.evaluate((element) => (element as HTMLImageElement).naturalWidth)) === 320,
  );
  await ben.page.keyboard.press('Escape');
  const [download] = await Promise.all([
    ben.page.waitForEvent('download'),
    ben.page.getByRole('button', { name: 'Download notes.txt' }).click(),
  ]);
  expect(download.suggestedFilename()).toBe('notes.txt');
  const path = join(folder, 'notes.txt');
  await download.saveAs(path);
  expect(await readFile(path, 'utf8')).toBe('Bring bread.');
});

it('a forbidden kind of file is refused with a reason, and a voice message is recorded and played', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  await openConversation(ann, ben);
  await ann.page
    .locator('input[type=file]')
    .setInputFiles([
      {
        name: 'tool.exe',
        mimeType: 'application/octet-stream',
        buffer: Buffer.from('MZ\x90\x00\x03\x00\x00\x00binary\x00\x00'),
      },
    ]);
  await ann.page.getByText('Files of this kind can’t be sent.').waitFor();
  await ann.page.getByRole('button', { name: 'Remove tool.exe' }).click();

  await ann.page.getByRole('button', { name: 'Record a voice message' }).click();
  await ann.page.getByRole('timer').filter({ hasText: '0:01' }).waitFor();
  await ann.page.getByRole('button', { name: 'Send the recording' }).click();
  const { payload } = await ben.waitFor('message:new', ({ message }) => message.type === 'voice');
  expect(payload.message.attachments).toHaveLength(1);
  await ann.page.getByRole('button', { name: /^Play voice/ }).click();
  await ann.page.getByRole('button', { name: 'Pause' }).waitFor();
});

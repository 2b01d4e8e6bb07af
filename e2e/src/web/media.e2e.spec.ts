import type { Attachment } from '@parley/contracts';
import { eventually, uniqueName, type ChatClient } from '@parley/testing';
import type { Page } from '@parley/testing/browser';
import { expect, it } from 'vitest';
import { violationsOn } from './axe.js';
import { useTestBrowser } from './hooks.js';
import { messageRow, openConversation, openConversationId, phone } from './test-browser.js';

const browser = useTestBrowser();

interface NamedFile {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Sends a message with files. */
async function sendFiles(by: ChatClient, conversationId: string, body: string, files: readonly NamedFile[]) {
  const attachmentIds: string[] = [];
  for (const { name, bytes } of files) {
    const form = new FormData();
    form.append('file', new Blob([bytes]), name);
    const answer = await fetch(new URL('/api/v1/attachments', by.url), {
      method: 'POST',
      headers: { authorization: `Bearer ${by.session.accessToken}` },
      body: form,
    });
    attachmentIds.push(((await answer.json()) as Attachment).id);
  }
  return by.call('message.send', { conversationId, clientId: uniqueName('f'), body, attachmentIds });
}

/** Three seconds of a tone that becomes louder. */
function wav(): Uint8Array<ArrayBuffer> {
  const [rate, seconds] = [8_000, 3];
  const bytes = new Uint8Array(44 + rate * seconds);
  const view = new DataView(bytes.buffer);
  bytes.set(Buffer.from(`RIFF    WAVEfmt ${' '.repeat(20)}data`, 'latin1'));
  view.setUint32(4, bytes.length - 8, true);
  for (const [at, value] of [
    [16, 16],
    [24, rate],
    [28, rate],
    [40, rate * seconds],
  ] as const)
    view.setUint32(at, value, true);
  for (const [at, value] of [
    [20, 1],
    [22, 1],
    [32, 1],
    [34, 8],
  ] as const)
    view.setUint16(at, value, true);
  for (let at = 44; at < bytes.length; at++) bytes[at] = 128 + 100 * (at / bytes.length) * Math.sin(at / 3);
  return bytes;
}

/** A second of moving picture, as the browser records it. */
const recordVideo = async (page: Page): Promise<Uint8Array<ArrayBuffer>> =>
  Uint8Array.from(
    await page.evaluate(async () => {
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [160, 90];
      const context = canvas.getContext('2d')!;
      const stream = canvas.captureStream(20);
      const recorder = new MediaRecorder(stream, { mimeType: 'video/webm' });
      const parts: Blob[] = [];
      recorder.ondataavailable = ({ data }) => parts.push(data);
      const ended = new Promise((resolve) => (recorder.onstop = resolve));
      recorder.start();
      for (let frame = 0; frame < 20; frame++) {
        context.fillStyle = `hsl(${frame * 12} 70% 50%)`;
        context.fillRect(0, 0, 160, 90);
        await new Promise((resolve) => requestAnimationFrame(resolve));
      }
      recorder.stop();
      await ended;
      return [...new Uint8Array(await new Blob(parts).arrayBuffer())];
    }),
  );

/** Pictures of different colours. */
const pictures = (page: Page, count: number): Promise<NamedFile[]> =>
  page
    .evaluate(async (many) => {
      const made: { name: string; bytes: number[] }[] = [];
      for (let n = 1; n <= many; n++) {
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [200 + n * 20, 160];
        const context = canvas.getContext('2d')!;
        context.fillStyle = `hsl(${n * 50} 60% 55%)`;
        context.fillRect(0, 0, 400, 160);
        const blob = await new Promise<Blob>((resolve) => canvas.toBlob((png) => resolve(png!), 'image/png'));
        made.push({ name: `p${n}.png`, bytes: [...new Uint8Array(await blob.arrayBuffer())] });
      }
      return made;
    }, count)
    .then((made) => made.map(({ name, bytes }) => ({ name, bytes: Uint8Array.from(bytes) })));

it('pictures and videos are an album and a gallery, sound streams by links, and the panel has all files', async () => {
  const ann = await browser().client(uniqueName('Ann'));
  const ben = await browser().visitor(uniqueName('Ben'));
  const { page } = ben;
  await openConversation(ben, ann);
  const id = openConversationId(page);
  await sendFiles(ann, id, 'Six of them', await pictures(page, 6));
  const album = messageRow(page, 'Six of them').locator('.album');
  await album.waitFor();
  expect(await album.getByRole('button').count()).toBe(5);

  await album.getByRole('button', { name: 'Open picture p1.png' }).click();
  const shown = (name: string) => page.getByRole('dialog', { name, exact: true }).waitFor();
  await shown('p1.png');
  for (const [key, name] of [
    ['ArrowRight', 'p2.png'],
    ['End', 'p6.png'],
    ['ArrowLeft', 'p5.png'],
    ['Home', 'p1.png'],
  ] as const) {
    await page.keyboard.press(key);
    await shown(name);
  }
  await page.getByText('1 of 6').waitFor();
  expect(await violationsOn(page, 'gallery')).toEqual([]);
  await page.keyboard.press('Escape');
  await eventually(async () =>
    expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toBe('Open picture p1.png'),
  );

  // A link that has expired: the player takes another one.
  let refused = 0;
  await page.route('**/content?link=*', (route) =>
    refused++ === 0 ? route.fulfill({ status: 401 }) : route.continue(),
  );
  await sendFiles(ann, id, 'Listen', [{ name: 'tune.wav', bytes: wav() }]);
  const audio = messageRow(page, 'Listen').locator('.audio');
  await audio.getByText('tune.wav').waitFor();
  await audio.getByText('0:03').waitFor();
  await audio.locator('svg path.played').waitFor({ state: 'attached' });
  await audio.getByRole('button', { name: 'Play tune.wav' }).click();
  await audio.getByRole('button', { name: 'Pause' }).waitFor();
  await eventually(async () => expect(await audio.getByRole('slider').inputValue()).not.toBe('0'));
  expect(refused).toBeGreaterThan(1);

  await sendFiles(ann, id, 'Watch', [{ name: 'film.webm', bytes: await recordVideo(page) }]);
  const part = page.waitForResponse(
    (response) => response.url().includes('/content?link=') && response.status() === 206,
  );
  await messageRow(page, 'Watch').getByRole('button', { name: 'Play video film.webm' }).click();
  await part;
  const film = messageRow(page, 'Watch').locator('.video > video');
  await eventually(async () =>
    expect(await film.evaluate((video) => (video as HTMLVideoElement).currentTime)).toBeGreaterThan(0),
  );

  await page.locator('.conversation-head').getByRole('button', { name: 'More' }).click();
  await page.getByRole('menuitem', { name: 'Files' }).click();
  const panel = page.getByRole('complementary', { name: 'Files' });
  await panel.getByRole('button', { name: 'Open picture p6.png' }).waitFor();
  expect(await panel.getByRole('button', { name: /^(?:Open picture|Play video)/ }).count()).toBe(7);
  expect(await violationsOn(page, 'files')).toEqual([]);
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    panel.getByRole('button', { name: 'Download tune.wav' }).click(),
  ]);
  expect(download.suggestedFilename()).toBe('tune.wav');
});

it('emoji are found by their names, have a remembered tone of skin, and are walked through by the arrow keys', async () => {
  const ann = await browser().client(uniqueName('Ann'));
  const ben = await browser().visitor(uniqueName('Ben'), phone);
  const { page } = ben;
  await openConversation(ben, ann);
  await page.getByRole('button', { name: 'Emoji' }).click();
  const picker = page.getByRole('group', { name: 'Emoji', exact: true });
  const focused = () => page.evaluate(() => document.activeElement?.textContent);
  await eventually(async () => expect(await focused()).toBe('👍'));
  expect(await violationsOn(page, 'emoji')).toEqual([]);
  await page.keyboard.press('ArrowRight');
  expect(await focused()).toBe('❤️');
  await page.keyboard.press('Home');
  expect(await focused()).toBe('👍');
  await page.keyboard.type('waving hand');
  await picker.getByRole('button', { name: 'Dark skin', exact: true }).click();
  await picker.getByRole('searchbox', { name: 'Search emoji' }).press('Enter');
  const text = page.getByRole('textbox', { name: 'Message' });
  expect(await text.inputValue()).toBe('👋🏿');

  await page.getByRole('button', { name: 'Emoji' }).click();
  await eventually(async () => expect(await focused()).toBe('👋🏿'));
  await picker.getByRole('button', { name: 'Food and drink' }).click();
  await picker.getByRole('button', { name: 'pizza' }).click();
  expect(await text.inputValue()).toBe('👋🏿🍕');
});

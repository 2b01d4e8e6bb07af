import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { useClient } from '@parley/client/react';
import { ChatClient, eventually, uniqueName } from '@parley/testing';
import type { Page } from '@parley/testing/browser';
import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { build, type Rolldown } from 'vite';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { BindingPage } from './web/binding.js';
import { desktop, password, phone, row, say, talk, tick, WebStage, writeTo, type Size } from './web/stage.js';

let stage: WebStage;
beforeAll(async () => {
  stage = await WebStage.open();
});
afterEach(async () => {
  await stage.leave();
  // A complaint belongs to the test that caused it.
  const complaints = stage.complaints.splice(0);
  if (complaints.length > 0) throw new Error(`a page complained: ${complaints.join('; ')}`);
});
afterAll(async () => {
  for (const server of frontends) server.close();
  await stage?.close();
});

const frontends: Server[] = [];
const types = { '.js': 'text/javascript', '.css': 'text/css', '.html': 'text/html', '.svg': 'image/svg+xml' } as const;
/** Another place to have pages from. Answers its address. While it is not `here` it answers as a proxy does whose server is away. */
async function serve(files: (path: string) => string | undefined, here = () => true): Promise<string> {
  const server = createServer(({ url = '' }, response) => {
    const path = url === '/' ? '/index.html' : url;
    const body = files(path);
    if (body === undefined) return void response.writeHead(here() ? 404 : 503).end();
    response
      .writeHead(200, {
        'content-type': types[extname(path) as keyof typeof types],
        'cache-control': path.startsWith('/assets/') ? 'max-age=31536000, immutable' : 'no-cache',
      })
      .end(body);
  });
  frontends.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Somebody who is no browser. */
async function other(displayName: string): Promise<ChatClient> {
  const client = await ChatClient.register(stage.url, { displayName });
  await client.connect();
  return client;
}

const message = (client: ChatClient, conversationId: string, body: string) =>
  client.call('message.send', { conversationId, clientId: uniqueName('m'), body });
/** Opens the first one's direct conversation with the other. */
async function meet({ page, client }: { page: Page; client: ChatClient }, { user }: ChatClient): Promise<void> {
  await client.http('conversation.create', { kind: 'direct', memberIds: [user.id] });
  await talk(page, user.displayName).click();
  await page.getByRole('log', { name: 'Messages' }).waitFor();
}
/** The messages that the browser keeps of each conversation. */
const kept = (page: Page): Promise<string[][]> =>
  page.evaluate(
    (name) =>
      new Promise<string[][]>((resolve, reject) => {
        const opening = indexedDB.open(name);
        opening.onsuccess = () => {
          const reading = opening.result.transaction('values').objectStore('values').getAll() as IDBRequest<
            { messages?: { body: string }[] }[]
          >;
          reading.onsuccess = () => (
            opening.result.close(),
            resolve(reading.result.flatMap(({ messages }) => (messages ? [messages.map(({ body }) => body)] : [])))
          );
          reading.onerror = () => reject(reading.error!);
        };
      }),
    `parley ${stage.url}`,
  );
const idOf = (page: Page): string => new URL(page.url()).pathname.split('/').at(-1)!;

describe('two people', () => {
  it('see each other’s presence, typing, messages and how far they have got', async () => {
    const [ann, ben] = await Promise.all([stage.register(uniqueName('Ann')), stage.register(uniqueName('Ben'), phone)]);
    await writeTo(ann.page, ben.name);
    await ann.page.locator('.conversation-head', { hasText: 'Online' }).waitFor();
    await say(ann.page, 'Hello, Ben');
    await tick(ann.page, 'Hello, Ben', 'delivered').waitFor();

    await talk(ben.page, ann.name).getByLabel('1 unread').waitFor();
    await talk(ben.page, ann.name).click();
    await row(ben.page, 'Hello, Ben').waitFor();
    await tick(ann.page, 'Hello, Ben', 'read').waitFor();

    await ben.page.getByRole('textbox', { name: 'Message' }).pressSequentially('Hi');
    await ann.page.getByText('typing…').first().waitFor();
    await say(ben.page, 'Hi, Ann');
    await row(ann.page, 'Hi, Ann').waitFor();
    await ann.page.getByText('typing…').first().waitFor({ state: 'detached' });

    await ben.context.close();
    await ann.page.locator('.conversation-head', { hasText: 'Last seen' }).waitFor();
  });

  it('edit, reply, react and delete, and the other one sees it at once', async () => {
    const ann = await stage.visitor(uniqueName('Ann'));
    const ben = await other(uniqueName('Ben'));
    await meet(ann, ben);
    await say(ann.page, 'Frist');
    const bubble = row(ann.page, 'Frist');
    await tick(ann.page, 'Frist', 'sent')
      .or(tick(ann.page, 'Frist', 'delivered'))
      .waitFor();
    await bubble.hover();
    await bubble.getByRole('button', { name: 'More' }).click();
    await ann.page.getByRole('menuitem', { name: 'Edit' }).click();
    await ann.page.getByRole('textbox', { name: 'Message' }).fill('First');
    await ann.page.keyboard.press('Enter');
    await row(ann.page, 'First').getByText('edited').waitFor();

    const {
      payload: {
        message: { id, conversationId },
      },
    } = await ben.waitFor('message:updated', ({ message: one }) => one.body === 'First');
    await ben.call('reaction.add', { messageId: id, emoji: '🎉' });
    await row(ann.page, 'First')
      .getByRole('button', { name: `🎉 1, ${ben.user.displayName}` })
      .click();
    await ben.waitFor('message:updated', ({ message: one }) => one.reactions[0]?.count === 2);

    const { message: reply } = await ben.call('message.send', {
      conversationId,
      clientId: uniqueName('m'),
      body: 'Second',
      replyTo: id,
    });
    await row(ann.page, 'Second').locator('.quote', { hasText: 'First' }).click();
    await row(ann.page, 'First').first().hover();
    await row(ann.page, 'First').first().getByRole('button', { name: 'More' }).click();
    await ann.page.getByRole('menuitem', { name: 'Delete' }).click();
    await ann.page.getByText('This message was deleted').first().waitFor();
    await ben.waitFor('message:updated', ({ message: one }) => one.id === id && one.deletedAt !== undefined);
    expect(reply.replyTo).toBe(id);
  });
});

describe('what people write', () => {
  it('is text, whatever it looks like; only web addresses become links', async () => {
    const ann = await stage.visitor(uniqueName('Ann'));
    const ben = await other('<img src=x onerror="document.title=\'owned\'">');
    const { conversation } = await ben.call('conversation.create', { kind: 'direct', memberIds: [ann.client.user.id] });
    const hostile =
      '<script>document.title="owned"</script><img src=x onerror="document.title=\'owned\'"> javascript:alert(1) [x](javascript:alert(1)) https://example.org/?a=1&b=<i>';
    await message(ben, conversation.id, hostile);
    await ann.page.locator('.talk').first().click();
    await row(ann.page, 'javascript:alert').waitFor();
    const body = row(ann.page, 'javascript:alert').locator('.bubble-text');
    expect(await body.textContent()).toBe(hostile);
    expect(await body.locator('script, img, i').count()).toBe(0);
    expect(
      await body
        .locator('a')
        .evaluateAll((links) =>
          links.map((link) => [link.getAttribute('href'), link.getAttribute('rel'), link.getAttribute('target')]),
        ),
    ).toEqual([['https://example.org/?a=1&b=', 'noopener noreferrer nofollow ugc', '_blank']]);
    expect(await ann.page.title()).not.toContain('owned');
  });
});

describe('without a server', () => {
  it('what is written waits, is there after a reload, and is sent once when the server is back', async () => {
    const ann = await stage.visitor(uniqueName('Ann'));
    const ben = await other(uniqueName('Ben'));
    await meet(ann, ben);
    await say(ann.page, 'Before');
    await tick(ann.page, 'Before', 'delivered')
      .or(tick(ann.page, 'Before', 'sent'))
      .waitFor();
    ben.disconnect();
    await ann.page.evaluate(() => navigator.serviceWorker.ready);

    await stage.killServer();
    await ann.page.getByText('No connection to the server').waitFor();
    await say(ann.page, 'While away 1');
    await say(ann.page, 'While away 2');
    await tick(ann.page, 'While away 2', 'queued').waitFor();
    await ann.page.getByText('2 messages wait').waitFor();
    await ann.page.reload();
    await ann.page.getByText('2 messages wait').waitFor();
    await tick(ann.page, 'While away 1', 'queued').waitFor();
    await tick(ann.page, 'While away 2', 'queued').waitFor();

    await stage.startServer();
    await row(ann.page, 'Before').waitFor();
    await tick(ann.page, 'While away 2', 'sent').waitFor();
    expect(await row(ann.page, 'While away').count()).toBe(2);
    await ben.connect();
    const { items } = await ben.http('conversation.history', { conversationId: idOf(ann.page) });
    expect(items.map(({ body }) => body)).toEqual(['Before', 'While away 1', 'While away 2']);
    ben.disconnect();
  });

  it('what was last known is shown, as that, and becomes what is when the server is back', async () => {
    const ann = await stage.visitor(uniqueName('Ann'));
    const [ben, eve] = await Promise.all([other(uniqueName('Ben')), other(uniqueName('Eve'))]);
    const { conversation: garden } = await eve.call('conversation.create', {
      kind: 'group',
      title: 'Garden',
      memberIds: [ann.client.user.id],
    });
    await meet(ann, ben);
    const id = idOf(ann.page);
    const { message: first } = await message(ben, id, 'First');
    await row(ann.page, 'First').waitFor();
    await say(ann.page, 'Second');
    await message(eve, garden.id, 'The roses are out');
    await talk(ann.page, 'Garden').getByText('The roses are out').waitFor();
    await ann.page.evaluate(() => navigator.serviceWorker.ready);
    await eventually(async () =>
      expect(await kept(ann.page)).toEqual(
        expect.arrayContaining([['First', 'Second'], expect.arrayContaining(['The roses are out'])]),
      ),
    );
    await ann.page.goto('about:blank');
    await ben.call('message.delete', { messageId: first.id });
    await message(ben, id, 'Third');
    for (const one of [ben, eve]) one.disconnect();
    await stage.killServer();

    await ann.page.goto(`${stage.url}/c/${id}`);
    await ann.page.getByText('No connection to the server: you see what was last known').waitFor();
    for (const body of ['First', 'Second']) await row(ann.page, body).waitFor();
    expect(await row(ann.page, 'Third').count()).toBe(0);
    expect(await ann.page.locator('.dot').count()).toBe(0);
    await talk(ann.page, 'Garden').click();
    await row(ann.page, 'The roses are out').waitFor();
    await talk(ann.page, ben.user.displayName).click();
    await say(ann.page, 'Fourth');
    await tick(ann.page, 'Fourth', 'queued').waitFor();
    await talk(ann.page, ben.user.displayName).getByText('You: Fourth').waitFor();
    await ann.page.getByRole('textbox', { name: 'Message' }).fill('Half a sentence');

    await stage.startServer();
    await row(ann.page, 'Third').waitFor();
    await tick(ann.page, 'Fourth', 'sent').waitFor();
    expect(await row(ann.page, 'First').count()).toBe(0);
    expect(await ann.page.getByRole('textbox', { name: 'Message' }).inputValue()).toBe('Half a sentence');
    await ann.page.getByText('No connection to the server').waitFor({ state: 'detached' });

    await ann.page.getByRole('link', { name: 'Settings' }).click();
    await ann.page.getByRole('button', { name: 'Log out' }).click();
    await ann.page.getByLabel('Username').waitFor();
    await eventually(async () => expect(await kept(ann.page)).toEqual([]));
  });
});

describe('files', () => {
  it('are shown before they are sent, arrive, and are viewed', async () => {
    const ann = await stage.visitor(uniqueName('Ann'));
    const ben = await stage.visitor(uniqueName('Ben'), phone);
    await meet(ann, ben.client);
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
    await say(ann.page, 'Look');

    await talk(ben.page, ann.name).click();
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
    expect(await readFile(await download.path(), 'utf8')).toBe('Bring bread.');
  });

  it('of a kind that is not allowed are refused with a reason, and a voice is recorded and heard', async () => {
    const ann = await stage.visitor(uniqueName('Ann'));
    const ben = await other(uniqueName('Ben'));
    await meet(ann, ben);
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
    const { payload } = await ben.waitFor('message:new', ({ message: one }) => one.type === 'voice');
    expect(payload.message.attachments).toHaveLength(1);
    await ann.page.getByRole('button', { name: /^Play voice/ }).click();
    await ann.page.getByRole('button', { name: 'Pause' }).waitFor();
  });
});

describe('a board', () => {
  it('shows what the other one draws, while they draw, and is empty for both once one empties it', async () => {
    const [ann, ben] = await Promise.all([stage.visitor(uniqueName('Ann')), stage.visitor(uniqueName('Ben'))]);
    await meet(ann, ben.client);
    await talk(ben.page, ann.name).click();
    for (const { page } of [ann, ben]) await page.getByRole('button', { name: 'Drawing board' }).click();
    const ink = (page: Page) =>
      page.getByRole('img', { name: 'The shared drawing' }).evaluate((canvas: HTMLCanvasElement) => {
        const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
        let count = 0;
        for (let at = 3; at < data.length; at += 4) if (data[at]! > 0) count++;
        return count;
      });
    const box = (await ann.page.getByRole('img', { name: 'The shared drawing' }).boundingBox())!;
    await ann.page.mouse.move(box.x + 40, box.y + 40);
    await ann.page.mouse.down();
    await ann.page.mouse.move(box.x + 200, box.y + 120, { steps: 40 });
    await ann.page.mouse.move(box.x + 40, box.y + 120, { steps: 40 });
    await ann.page.mouse.up();
    const drawn = await ink(ann.page);
    expect(drawn).toBeGreaterThan(1000);
    await eventually(async () => Math.abs((await ink(ben.page)) - drawn) < drawn / 20);
    await ben.page.getByRole('button', { name: 'Empty the board' }).click();
    await eventually(async () => (await ink(ann.page)) === 0 && (await ink(ben.page)) === 0);
  });
});

describe('a room', () => {
  it('has a form that keeps its place when the people arrive who could be in it', async () => {
    const ann = await stage.visitor(uniqueName('Ann'));
    await other(uniqueName('Ben'));
    let letGo = (): void => undefined;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    await ann.page.route('**/api/v1/users?*', async (route) => {
      await held;
      await route.continue();
    });
    await ann.page.getByRole('link', { name: 'Rooms', exact: true }).click();
    await ann.page.getByRole('button', { name: 'New room' }).click();
    const button = ann.page.getByRole('button', { name: 'Create group' });
    await button.hover();
    const before = await button.boundingBox();
    letGo();
    await ann.page.locator('.person').first().waitFor();
    expect(await button.boundingBox()).toEqual(before);
  });

  it('is made by one, and entered by its address by a guest', async () => {
    const ann = await stage.visitor(uniqueName('Ann'));
    const title = uniqueName('Hiking');
    await ann.page.getByRole('link', { name: 'Rooms', exact: true }).click();
    await ann.page.getByRole('button', { name: 'New room' }).click();
    await ann.page.getByLabel('Name').fill(title);
    await ann.page.getByRole('radio', { name: 'Colour #a8326b' }).check();
    await ann.page.getByRole('button', { name: 'Create group' }).click();
    await ann.page.getByRole('log', { name: 'Messages' }).waitFor();
    await say(ann.page, 'Who comes along?');

    const { page } = await stage.page(phone, `/r/${idOf(ann.page)}`);
    await page.getByRole('button', { name: /guest/ }).click();
    await page.getByRole('heading', { name: title }).waitFor();
    await page.getByRole('button', { name: 'Join this room' }).click();
    await row(page, 'Who comes along?').waitFor();
    await say(page, 'Me!');
    await row(ann.page, 'Me!').waitFor();

    // The guest is muted, and sees why they can't write.
    await ann.page.getByRole('button', { name: 'Details and members' }).click();
    await ann.page.getByRole('button', { name: /^Actions for/ }).click();
    await ann.page.getByRole('menuitem', { name: 'Mute', exact: true }).click();
    await page.getByText('You are muted here').waitFor();
  });
});

describe('people', () => {
  it('are put on the list of contacts and taken off it, blocked and unblocked, and may write or not accordingly', async () => {
    const ann = await stage.visitor(uniqueName('Ann'));
    const ben = await other(uniqueName('Ben'));
    const name = ben.user.displayName;
    await ann.page.getByRole('link', { name: 'People' }).click();
    await ann.page.getByRole('searchbox', { name: 'Search people to add to your contacts' }).fill(name);
    await ann.page.getByRole('button', { name, pressed: false }).click();
    await ann.page.getByRole('button', { name: `Block ${name}` }).click();
    await ann.page.getByRole('heading', { name: 'Blocked' }).waitFor();
    await ann.page.getByRole('button', { name: `Take ${name} off your contacts` }).click();
    await ann.page.getByText('Nobody yet.').waitFor();
    await expect(
      ben.call('conversation.create', { kind: 'direct', memberIds: [ann.client.user.id] }),
    ).rejects.toMatchObject({ code: 'blocked' });
    await ann.page.getByRole('button', { name: 'Unblock' }).click();
    await ann.page.getByRole('heading', { name: 'Blocked' }).waitFor({ state: 'detached' });

    await meet(ann, ben);
    await ann.page.getByRole('button', { name: 'Details and members' }).click();
    await ann.page.getByRole('button', { name: 'Block', exact: true }).click();
    await ann.page.getByRole('button', { name: 'Unblock' }).waitFor();
    await say(ann.page, 'Not yet');
    await row(ann.page, 'Not yet').getByText('One of you has blocked the other.').waitFor();
    await ann.page.getByRole('button', { name: 'Unblock' }).click();
    await ann.page.getByRole('button', { name: 'Block', exact: true }).waitFor();
    await row(ann.page, 'Not yet').getByRole('button', { name: 'Try again' }).click();
    await ben.waitFor('message:new', ({ message: one }) => one.body === 'Not yet');
    await tick(ann.page, 'Not yet', 'sent')
      .or(tick(ann.page, 'Not yet', 'delivered'))
      .waitFor();
  });

  it('are known to be blocked, however many are', async () => {
    const ann = await stage.visitor(uniqueName('Ann'));
    const [ben, eve, dan] = await Promise.all([
      other(uniqueName('Ben')),
      other(uniqueName('Eve')),
      other(uniqueName('Dan')),
    ]);
    // As if each page of the list were full.
    await ann.page.route('**/api/v1/blocks?*', (route) =>
      route.continue({ url: route.request().url().replace('limit=100', 'limit=1') }),
    );
    await meet(ann, ben);
    for (const { user } of [ben, eve, dan]) await ann.client.http('block.add', { userId: user.id });
    await ann.page.getByRole('button', { name: 'Details and members' }).click();
    await ann.page.getByRole('button', { name: 'Unblock' }).waitFor();
    await ann.page.getByRole('link', { name: 'People' }).click();
    for (const { user } of [ben, eve, dan])
      await ann.page
        .locator('.person', { hasText: user.displayName })
        .getByRole('button', { name: 'Unblock' })
        .waitFor();
  });

  it('are banned from a group and let in again, and are handed it over', async () => {
    const ann = await stage.visitor(uniqueName('Ann'));
    const [ben, eve] = await Promise.all([other(uniqueName('Ben')), other(uniqueName('Eve'))]);
    const {
      conversation: { id },
    } = await ann.client.http('conversation.create', {
      kind: 'group',
      title: 'Band',
      memberIds: [ben.user.id, eve.user.id],
    });
    await talk(ann.page, 'Band').click();
    await ann.page.getByRole('button', { name: 'Details and members' }).click();
    const actions = (client: ChatClient) =>
      ann.page.getByRole('button', { name: `Actions for ${client.user.displayName}` });
    await actions(eve).click();
    await ann.page.getByRole('menuitem', { name: 'Ban', exact: true }).click();
    await eve.waitFor('conversation:removed', ({ reason }) => reason === 'banned');
    await actions(eve).waitFor({ state: 'detached' });
    // Nobody waits for one who is not there any more.
    await say(ann.page, 'Without her');
    await ben.call('receipt.read', {
      conversationId: id,
      seq: (await ben.waitFor('message:new', ({ message: one }) => one.body === 'Without her')).payload.message.seq,
    });
    await tick(ann.page, 'Without her', 'read').waitFor();
    await ann.page.locator('.person', { hasText: eve.user.displayName }).getByRole('button', { name: 'Unban' }).click();
    await actions(eve).waitFor();
    expect((await eve.http('conversation.get', { conversationId: id })).conversation.me).toMatchObject({
      status: 'active',
    });

    await actions(ben).click();
    await ann.page.getByRole('menuitem', { name: 'Hand over to them' }).click();
    await ann.page.getByRole('dialog').getByRole('button', { name: 'Hand over' }).click();
    await ann.page.locator('.person', { hasText: ben.user.displayName }).getByText('Creator').waitFor();
    await ann.page.locator('.person', { hasText: '(you)' }).getByText('Admin').waitFor();
    await ann.page.getByRole('button', { name: 'Delete', exact: true }).waitFor({ state: 'detached' });
    expect((await ben.http('conversation.get', { conversationId: id })).conversation.me).toMatchObject({
      role: 'creator',
    });
  });

  it('have a name and a picture, which they change', async () => {
    const ann = await stage.visitor(uniqueName('Ann'));
    const ben = await other(uniqueName('Ben'));
    await ann.page.getByRole('link', { name: 'Settings' }).click();
    const picture = await ann.page.screenshot({ clip: { x: 0, y: 0, width: 320, height: 200 } });
    const [chooser] = await Promise.all([
      ann.page.waitForEvent('filechooser'),
      ann.page.getByRole('button', { name: 'Change picture' }).click(),
    ]);
    await chooser.setFiles([{ name: 'me.png', mimeType: 'image/png', buffer: picture }]);
    const face = ann.page.locator('.rail-me img');
    await eventually(async () => (await face.evaluate((image) => (image as HTMLImageElement).naturalWidth)) === 256);
    const { user } = await ben.http('user.get', { userId: ann.client.user.id });
    expect((await ben.fetch('GET', `/api/v1/attachments/${user.avatarId}`)).headers.get('content-type')).toBe(
      'image/jpeg',
    );
    await ann.page.getByLabel('Name', { exact: true }).fill('Anna Archer');
    await ann.page.getByRole('button', { name: 'Save' }).click();
    await ann.page.getByRole('link', { name: 'Anna Archer, your profile' }).waitFor();
    await ann.page.reload();
    await ann.page.getByRole('link', { name: 'Anna Archer, your profile' }).waitFor();
    await face.waitFor();
  });
});

describe('a message', () => {
  it('goes on to another conversation, with whose it is', async () => {
    const ann = await stage.visitor(uniqueName('Ann'));
    const [ben, eve] = await Promise.all([other(uniqueName('Ben')), other(uniqueName('Eve'))]);
    const {
      conversation: { id },
    } = await ben.call('conversation.create', { kind: 'group', title: 'Garden', memberIds: [ann.client.user.id] });
    await message(ben, id, 'The roses are out');
    await meet(ann, eve);
    await talk(ann.page, 'Garden').click();
    await row(ann.page, 'The roses').hover();
    await row(ann.page, 'The roses').getByRole('button', { name: 'More' }).click();
    await ann.page.getByRole('menuitem', { name: 'Forward' }).click();
    const dialog = ann.page.getByRole('dialog', { name: 'Forward to' });
    await dialog.getByRole('searchbox', { name: 'Search conversations' }).fill(eve.user.displayName);
    expect(await dialog.locator('.person').count()).toBe(1);
    await dialog.getByRole('button', { name: eve.user.displayName }).click();
    await row(ann.page, 'The roses are out').getByText(`Forwarded from ${ben.user.displayName}`).waitFor();
    await ann.page.locator('.conversation-head', { hasText: eve.user.displayName }).waitFor();
    const { payload } = await eve.waitFor('message:new', ({ message: one }) => one.body === 'The roses are out');
    expect(payload.message).toMatchObject({ senderId: ann.client.user.id, forwardedFrom: { senderId: ben.user.id } });
  });

  it('is told by the system and by sound while one looks at something else, as this device wants it', async () => {
    const ann = await stage.visitor(uniqueName('Ann'));
    const ben = await other(uniqueName('Ben'));
    await ann.context.grantPermissions(['notifications']);
    await ann.context.addInitScript(() => {
      const told: object[] = [];
      const tones: number[] = [];
      Object.assign(globalThis, { told, tones });
      const start = OscillatorNode.prototype.start;
      OscillatorNode.prototype.start = function (when) {
        tones.push(this.frequency.value);
        start.call(this, when);
      };
      globalThis.Notification = class extends EventTarget {
        static readonly permission = 'granted';
        static readonly requestPermission = () => Promise.resolve('granted');
        constructor(title: string, options: NotificationOptions) {
          super();
          told.push({ title, ...options, notification: this });
        }
        close() {}
      } as unknown as typeof Notification;
    });
    interface Told {
      readonly title: string;
      readonly body: string;
      readonly notification: EventTarget;
    }
    const told = () =>
      ann.page.evaluate(() =>
        (globalThis as unknown as { told: Told[] }).told.map(({ title, body }) => ({ title, body })),
      );
    const tones = () => ann.page.evaluate(() => (globalThis as unknown as { tones: number[] }).tones);
    await ann.page.goto(`${stage.url}/settings`);
    const sound = ann.page.getByRole('switch', { name: /^Sound/ });
    await sound.uncheck();
    await ann.page.getByRole('switch', { name: /^System notifications/ }).check();
    await ann.page.reload();
    expect(await sound.isChecked()).toBe(false);
    expect(await ann.page.getByRole('switch', { name: /^System notifications/ }).isChecked()).toBe(true);

    // As in a window behind another one.
    const devtools = await ann.context.newCDPSession(ann.page);
    await devtools.send('Emulation.setFocusEmulationEnabled', { enabled: false });
    const elsewhere = await ann.context.newPage();
    await elsewhere.bringToFront();
    await eventually(() => ann.page.evaluate(() => !document.hasFocus()));
    const {
      conversation: { id },
    } = await ben.call('conversation.create', { kind: 'direct', memberIds: [ann.client.user.id] });
    await message(ben, id, 'Are you there?');
    await eventually(async () =>
      expect(await told()).toEqual([{ title: ben.user.displayName, body: 'Are you there?' }]),
    );
    expect(await tones()).toEqual([]);

    await devtools.send('Emulation.setFocusEmulationEnabled', { enabled: true });
    await ann.page.bringToFront();
    await sound.check();
    await message(ben, id, 'Hello?');
    await eventually(async () => expect(await tones()).toEqual([660, 880]));
    expect(await told()).toHaveLength(1);
    await ann.page.evaluate(() =>
      (globalThis as unknown as { told: Told[] }).told[0]!.notification.dispatchEvent(new Event('click')),
    );
    await row(ann.page, 'Hello?').waitFor();
    await message(ben, id, 'Good');
    await row(ann.page, 'Good').waitFor();
    expect(await told()).toHaveLength(1);
  });
});

describe('this device', () => {
  it('keeps the theme that was slid to', async () => {
    const ann = await stage.visitor(uniqueName('Ann'));
    await ann.page.getByRole('link', { name: 'Settings' }).click();
    const slider = ann.page.getByRole('slider', { name: 'Theme' });
    await slider.focus();
    for (let step = 0; step < 5; step++) await ann.page.keyboard.press('ArrowRight');
    await ann.page.getByText('midnight', { exact: true }).waitFor();
    const ground = () => ann.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    expect(await ground()).toBe('rgb(12, 15, 20)');
    await ann.page.reload();
    await slider.waitFor();
    expect(await ground()).toBe('rgb(12, 15, 20)');
    expect(await slider.getAttribute('aria-valuetext')).toBe('midnight');
  });

  it('is logged out from another one, while it is open, and says so', async () => {
    const ann = await stage.visitor(uniqueName('Ann'));
    const second = await stage.logIn(ann.client.user.username, phone);
    await second.page.getByRole('link', { name: 'Settings' }).click();
    await second.page.getByRole('link', { name: /Devices/ }).click();
    await second.page.getByRole('button', { name: 'Log out everywhere else' }).click();
    await ann.page.getByText('This device was logged out from another one.').waitFor();
    await ann.page.getByLabel('Username').waitFor();
    await second.page.getByText('This one').waitFor();
  });
});

describe('the keyboard alone', () => {
  it('finds somebody, writes, completes a mention, goes back to a message, and reacts', async () => {
    const ann = await stage.visitor(uniqueName('Ann'));
    const ben = await other('Benedict Bright');
    const { page } = ann;
    const { conversation } = await ben.call('conversation.create', {
      kind: 'group',
      title: 'Keys',
      memberIds: [ann.client.user.id],
    });
    await message(ben, conversation.id, 'Press something');
    await talk(page, 'Keys').focus();
    await page.keyboard.press('Enter');
    await row(page, 'Press something').waitFor();
    const field = page.getByRole('textbox', { name: 'Message' });
    await field.focus();
    await page.keyboard.type('Hello @bene');
    await page.getByRole('option', { name: /Benedict Bright/ }).waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    const { payload } = await ben.waitFor('message:new', ({ message: one }) => one.body.startsWith('Hello @'));
    expect(payload.message.mentions).toEqual([ben.user.id]);
    await page.locator('.mention', { hasText: `@${ben.user.username}` }).waitFor();
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('ArrowUp');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toContain('Press something');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await eventually(() => page.evaluate(() => document.activeElement?.textContent === '👍'));
    await page.keyboard.press('Enter');
    await ben.waitFor('message:updated', ({ message: one }) => one.reactions[0]?.emoji === '👍');
  });
});

describe('messages that are not stored', () => {
  it('go from browser to browser, and the database has none of them', async () => {
    const [ann, ben] = await Promise.all([stage.visitor(uniqueName('Ann')), stage.visitor(uniqueName('Ben'))]);
    await meet(ann, ben.client);
    await talk(ben.page, ann.name).click();
    await ann.page.getByRole('button', { name: 'More' }).click();
    await ann.page.getByRole('menuitem', { name: 'Direct connection' }).click();
    await ann.page.getByText('Not stored.').waitFor();
    await ann.page.getByRole('button', { name: 'Connect', exact: true }).click();
    await ben.page.getByRole('button', { name: 'Accept' }).click();
    await ann.page.getByRole('textbox', { name: 'Message that is not stored' }).fill('Between us');
    await ann.page.keyboard.press('Enter');
    await ben.page.getByRole('log', { name: 'Messages that are not stored' }).getByText('Between us').waitFor();
    await ben.page.reload();
    await ben.page.getByRole('log', { name: 'Messages' }).waitFor();
    expect(await ben.page.getByText('Between us').count()).toBe(0);
  });
});

/** In every run a fifth of what it is made for: `LONG=10000 npm test …`. */
const LONG = Number(process.env['LONG'] ?? 2_000);

describe('a long conversation', () => {
  it('scrolls by without more than 200 rows in the page, in order, none left out where one looks', async () => {
    const ann = await stage.visitor(uniqueName('Ann'));
    const ben = await other(uniqueName('Ben'));
    const { conversation } = await ben.call('conversation.create', {
      kind: 'group',
      title: 'Long',
      memberIds: [ann.client.user.id],
    });
    for (let first = 0; first < LONG; first += 500)
      await Promise.all(
        Array.from({ length: 500 }, (_, at) => message(ben, conversation.id, `Number ${first + at + 1}`)),
      );
    await ben.call('receipt.read', { conversationId: conversation.id, seq: LONG + 1 });
    await ann.page.goto(`${stage.url}/c/${conversation.id}?at=${LONG / 2 + 1}`);
    await row(ann.page, `Number ${LONG / 2}`).waitFor();

    const scroller = ann.page.getByRole('log', { name: 'Messages' });
    let most = 0;
    let lowest = Infinity;
    let holes = 0;
    // As far as one gets depends on the machine: it goes on until many pages have come, and rows have gone.
    await eventually(
      async () => {
        const seen = await scroller.evaluate(async (box) => {
          box.scrollTop -= 1500;
          await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
          return [...box.querySelectorAll<HTMLElement>('[data-seq]')].map((one) => Number(one.dataset['seq']));
        });
        most = Math.max(most, seen.length);
        lowest = Math.min(lowest, seen[0]!);
        holes += seen.filter((seq, at) => seq !== seen[0]! + at).length;
        return lowest < LONG / 2 - 500;
      },
      { timeoutMs: 90_000, intervalMs: 1 },
    );
    expect(holes).toBe(0);
    expect(most).toBeLessThanOrEqual(200);
    await ann.page.getByRole('button', { name: /^Jump to newest/ }).click();
    await row(ann.page, `Number ${LONG}`).waitFor();
    await message(ben, conversation.id, 'And one more');
    await row(ann.page, 'And one more').waitFor();
  });

  it('a new message does not move what one reads', async () => {
    const ann = await stage.visitor(uniqueName('Ann'));
    const ben = await other(uniqueName('Ben'));
    const { conversation } = await ben.call('conversation.create', {
      kind: 'group',
      title: 'Steady',
      memberIds: [ann.client.user.id],
    });
    await Promise.all(Array.from({ length: 120 }, (_, at) => message(ben, conversation.id, `Line ${at + 1}`)));
    await ann.page.goto(`${stage.url}/c/${conversation.id}?at=61`);
    await row(ann.page, 'Line 60').waitFor();
    const place = async () => Math.round((await ann.page.locator('[data-seq="61"]').boundingBox())!.y);
    await eventually(async () => (await place()) > 0);
    const before = await place();
    for (let at = 0; at < 5; at++) await message(ben, conversation.id, `Later ${at}`);
    await ann.page.getByRole('button', { name: /^Jump to newest, \d+ unread/ }).waitFor();
    expect(await place()).toBe(before);
  });
});

describe('everybody can use it', () => {
  const axe = readFile(createRequire(import.meta.url).resolve('axe-core'), 'utf8');

  /** What axe finds that keeps people out. */
  async function barriers(page: Page, where: string): Promise<string[]> {
    if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(await axe);
    const violations = await page.evaluate(async () => {
      interface Found {
        readonly violations: { id: string; impact: string; nodes: { html: string; failureSummary?: string }[] }[];
      }
      const { violations: found } = await (
        globalThis as unknown as { axe: { run(options: object): Promise<Found> } }
      ).axe.run({ resultTypes: ['violations'] });
      return found
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .map(
          ({ id, nodes }) =>
            `${id}: ${nodes.map(({ html, failureSummary }) => `${html.slice(0, 200)} ${failureSummary ?? ''}`).join(' | ')}`,
        );
    });
    return violations.map((violation) => `${where}, ${page.viewportSize()!.width} pixels wide: ${violation}`);
  }

  it('axe finds nothing serious on any page, on a desktop and on a phone', async () => {
    expect((await Promise.all([desktop, phone].map((size) => barriersOf(size)))).flat()).toEqual([]);
  });

  async function barriersOf(size: Size): Promise<string[]> {
    const { page: welcome } = await stage.page(size);
    const found = await barriers(welcome, 'welcome');
    await welcome.getByRole('button', { name: 'Create account' }).first().click();
    found.push(...(await barriers(welcome, 'register')));

    const { page, username } = await stage.register(uniqueName('Ann'), size);
    found.push(...(await barriers(page, 'empty list')));
    const ben = await other(uniqueName('Ben'));
    const { conversation } = await ben.call('conversation.create', {
      kind: 'group',
      visibility: 'public',
      color: '#ffd400',
      title: uniqueName('Room'),
      topic: 'All of it',
      memberIds: [(await ben.http('user.list', { query: username })).items[0]!.id],
    });
    const { message: first } = await message(ben, conversation.id, 'Hello https://example.org @nobody');
    await ben.call('reaction.add', { messageId: first.id, emoji: '🎉' });
    await ben.http('message.pin', { messageId: first.id });
    await message(ben, conversation.id, 'Another one');
    await page.goto(`${stage.url}/c/${conversation.id}`);
    await say(page, 'Mine');
    await row(page, 'Mine').hover();
    found.push(...(await barriers(page, 'conversation')));
    for (const [name, panel] of [
      ['Details', 'Details'],
      ['Pinned messages', 'Pinned messages'],
      ['Drawing board', 'Drawing board'],
      ['Protocol log', 'Protocol log'],
      ['Search', 'Search messages'],
    ] as const) {
      if (name === 'Details') await page.locator('.conversation-head .who').click();
      else if (name === 'Search') await page.getByRole('button', { name: 'Search messages' }).click();
      else {
        await page.locator('.conversation-head').getByRole('button', { name: 'More' }).click();
        await page.getByRole('menuitem', { name }).click();
      }
      await page.getByRole('complementary', { name: panel }).waitFor();
      found.push(...(await barriers(page, panel)));
      await page.getByRole('complementary', { name: panel }).getByRole('button', { name: 'Close' }).click();
    }
    for (const path of [
      '/rooms',
      '/people',
      '/settings',
      '/settings/devices',
      '/r/0198c2f0-0000-7000-8000-000000000000',
    ]) {
      await page.goto(stage.url + path);
      await page.locator('.main h1, .main h2').first().waitFor();
      found.push(...(await barriers(page, path)));
    }
    await page.goto(`${stage.url}/rooms`);
    await page.getByRole('button', { name: 'New room' }).click();
    await page.getByRole('dialog').waitFor();
    found.push(...(await barriers(page, 'new room')));
    return found;
  }
});

describe('the client’s binding for React', () => {
  it('shows what changes, when it changes, and asks for nothing that is not shown', async () => {
    const output = (await build({
      configFile: false,
      logLevel: 'silent',
      define: { 'process.env.NODE_ENV': '"development"' },
      resolve: { conditions: ['@parley/source', 'browser'] },
      build: {
        write: false,
        minify: false,
        lib: { entry: join(import.meta.dirname, 'web/binding.ts'), formats: ['es'], fileName: 'binding' },
      },
    })) as Rolldown.RolldownOutput[];
    const script = output[0]!.output[0].code;
    const [ann, ben] = await Promise.all([other(uniqueName('Ann')), other(uniqueName('Ben'))]);
    const {
      conversation: { id },
    } = await ben.call('conversation.create', { kind: 'direct', memberIds: [ann.user.id] });
    await ben.call('conversation.create', { kind: 'group', title: 'Garden', memberIds: [ann.user.id] });
    await message(ben, id, 'Hello');

    const frontend = await serve((path) =>
      path === '/page.js'
        ? script
        : path === '/page.html'
          ? '<!doctype html><body><script type="module" src="/page.js"></script>'
          : undefined,
    );
    const { page } = await stage.page();
    await page.goto(
      `${frontend}/page.html#${new URLSearchParams({ url: stage.url, username: ann.user.username, password })}`,
    );
    await page.getByRole('button', { name: 'Garden (0)' }).waitFor();
    await page.getByRole('button', { name: 'direct (1)' }).click();
    await page.getByText('Hello, sent').click();
    await page.getByRole('button', { name: 'direct (0)' }).waitFor();
    await page.getByText(`${ben.user.displayName} is online`).waitFor();

    const drawn = () => page.evaluate(() => (globalThis as unknown as { here: BindingPage }).here.drawn['partner']);
    const before = await drawn();
    await message(ben, id, 'Again');
    await page.getByText('Again, sent').waitFor();
    expect(await drawn()).toBe(before);
    const watched = () =>
      page.evaluate(
        (userId) => (globalThis as unknown as { here: BindingPage }).here.client.getState().presence.has(userId),
        ben.user.id,
      );
    expect(await watched()).toBe(true);
    await page.getByRole('button', { name: 'Close' }).click();
    await eventually(async () => !(await watched()));
    await page.getByText('Again, sent').waitFor({ state: 'detached' });
  });

  it('says what is missing around a component', () => {
    expect(() => renderToStaticMarkup(createElement(() => useClient().url))).toThrow(
      'there is no ParleyProvider around',
    );
  });
});

const built = join(import.meta.dirname, '../../apps/web/dist');

describe('a new build of the app', () => {
  it('is there at the next load, whole, and stays when the server goes away; half of one is not taken', async () => {
    const names = (await readdir(built, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name));
    const first = new Map(
      await Promise.all(names.map(async (name) => [name.slice(built.length), await readFile(name, 'utf8')] as const)),
    );
    const hashOf = (text: string) => createHash('sha256').update(text).digest('base64');
    const script = /index-[\w-]+\.js/.exec(first.get('/index.html')!)![0];
    /** The same app, as if it were another one. */
    function another(title: string): Map<string, string> {
      const page = first
        .get('/index.html')!
        .replace('<title>Parley', `<title>${title}`)
        .replace(script, `index-${title}.js`);
      const worker = first
        .get('/sw.js')!
        .replace(/"id":"\w+"/, `"id":"${title}"`)
        .replace(script, `index-${title}.js`)
        .replace(hashOf(first.get('/index.html')!), hashOf(page));
      const files = new Map(first)
        .set('/index.html', page)
        .set('/sw.js', worker)
        .set(`/assets/index-${title}.js`, first.get(`/assets/${script}`)!);
      files.delete(`/assets/${script}`);
      return files;
    }
    let serving: ReadonlyMap<string, string> | undefined = first;
    const frontend = await serve(
      (path) => serving?.get(path),
      () => serving !== undefined,
    );
    const context = await stage.browser.newContext();
    try {
      const page = await context.newPage();
      const kept = () => page.evaluate(() => caches.keys());
      const update = () => page.evaluate(async () => void (await (await navigator.serviceWorker.ready).update()));
      const shown = async () => {
        await page.reload();
        await page.getByLabel('Username').waitFor();
        return page.title();
      };
      await page.goto(frontend);
      await page.evaluate(() => navigator.serviceWorker.ready);

      serving = another('Second');
      await update();
      await eventually(async () => (await kept()).includes('parley-Second'));
      // The page that is open is of the build before.
      expect(await page.evaluate(async (name) => (await fetch(name)).status, `/assets/${script}`)).toBe(200);
      expect(await shown()).toBe('Second');
      serving = undefined;
      expect(await shown()).toBe('Second');

      const third = another('Third');
      serving = new Map(another('Second')).set('/sw.js', third.get('/sw.js')!);
      await update().catch(() => undefined);
      serving = undefined;
      expect(await shown()).toBe('Second');
      expect(await kept()).not.toContain('parley-Third');

      serving = third;
      expect(await shown()).toBe('Third');
      await eventually(async () => expect(await kept()).toEqual(['parley-Second', 'parley-Third']));
    } finally {
      await context.close();
    }
  });
});

describe('the first load', () => {
  it('is at most 250 kB, zipped, all scripts and styles taken together', async () => {
    const files = (await readdir(built, { recursive: true })).filter((name) => /\.(?:js|css|html|svg)$/.test(name));
    const sizes = await Promise.all(files.map(async (name) => gzipSync(await readFile(join(built, name))).length));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(250_000);
    expect(files.length).toBeGreaterThan(3);
  });
});

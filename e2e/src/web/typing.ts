/**
 * `npm run bench:typing`: measures the time from a key press to the screen while 50 messages a second arrive in the
 * open conversation. Prints milliseconds, without a verdict. `-- N`: in a browser that is N times as slow.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ChatClient, uniqueName } from '@parley/testing';
import { ensureChromium, launchBrowser } from '@parley/testing/browser';
import { EmbeddedServer } from './embedded-server.js';
import { conversationLink, TestBrowser } from './test-browser.js';

declare global {
  /** Set in the page: milliseconds from each key press to the screen. */
  var keyLatencies: number[];
}

const RATE = 50;
const SECONDS = 15;
const slowdown = Number(process.argv[2] ?? 1);

await ensureChromium((line) => void process.stderr.write(`${line}\n`));
const server = await EmbeddedServer.start();
const browser = new TestBrowser(await launchBrowser(), server.url);
try {
  const ann = await browser.register('Ann Archer');
  const ben = await ChatClient.register(browser.url, { displayName: 'Ben Bright' });
  await ben.connect();
  const { items } = await ben.http('user.list', { query: ann.username });
  const { conversation } = await ben.call('conversation.create', {
    kind: 'group',
    title: 'Busy',
    memberIds: [items[0]!.id],
  });
  await conversationLink(ann.page, 'Busy').click();
  const field = ann.page.getByRole('textbox', { name: 'Message' });
  await field.click();
  await (await ann.page.context().newCDPSession(ann.page)).send('Emulation.setCPUThrottlingRate', { rate: slowdown });
  await ann.page.evaluate(() => {
    globalThis.keyLatencies = [];
    const painted = new MessageChannel();
    const waiting: number[] = [];
    painted.port1.addEventListener('message', () => void keyLatencies.push(performance.now() - waiting.shift()!));
    painted.port1.start();
    // A message that is posted in a frame arrives after that frame was painted.
    addEventListener('keydown', ({ timeStamp }) =>
      requestAnimationFrame(() => {
        waiting.push(timeStamp);
        painted.port2.postMessage(undefined);
      }),
    );
  });
  let isSending = true;
  let sent = 0;
  const flood = (async () => {
    for (const start = performance.now(); isSending; await delay(1)) {
      for (; sent < ((performance.now() - start) / 1000) * RATE; sent++)
        void ben
          .call('message.send', {
            conversationId: conversation.id,
            clientId: uniqueName('m'),
            body: `Message number ${sent}`,
          })
          .catch(() => undefined);
    }
  })();
  for (const end = performance.now() + SECONDS * 1000; performance.now() < end; await delay(80))
    await ann.page.keyboard.press('a');
  isSending = false;
  await flood;
  ben.disconnect();
  const times = (await ann.page.evaluate(() => keyLatencies)).toSorted((a, b) => a - b);
  const at = (share: number) => (times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? NaN).toFixed(1);
  process.stdout.write(
    `${times.length} keys while ${sent} messages arrived in ${SECONDS} s${slowdown === 1 ? '' : `, ${slowdown} times as slow`}: key to screen p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, p99 ${at(0.99)} ms, worst ${at(1)} ms\n`,
  );
} finally {
  await browser.browser.close();
  await server.stop();
}

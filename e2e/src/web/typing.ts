/** npm run bench:typing: how long a pressed key takes to the screen while 50 messages a second arrive in the conversation that is written in. Prints milliseconds; no verdict. `-- N`: in a browser N times as slow. */
import { setTimeout as delay } from 'node:timers/promises';
import { ChatClient, uniqueName } from '@parley/testing';
import { ensureChromium } from '@parley/testing/browser';
import { talk, WebStage } from './stage.js';

const RATE = 50;
const SECONDS = 15;
const slower = Number(process.argv[2] ?? 1);

await ensureChromium((line) => void process.stderr.write(`${line}\n`));
const stage = await WebStage.open();
try {
  const ann = await stage.register('Ann Archer');
  const ben = await ChatClient.register(stage.url, { displayName: 'Ben Bright' });
  await ben.connect();
  const { items } = await ben.http('user.list', { query: ann.username });
  const { conversation } = await ben.call('conversation.create', {
    kind: 'group',
    title: 'Busy',
    memberIds: [items[0]!.id],
  });
  await talk(ann.page, 'Busy').click();
  const field = ann.page.getByRole('textbox', { name: 'Message' });
  await field.click();
  await (await ann.page.context().newCDPSession(ann.page)).send('Emulation.setCPUThrottlingRate', { rate: slower });
  await ann.page.evaluate(() => {
    const seen = ((globalThis as unknown as { pressed: number[] }).pressed = []) as number[];
    const painted = new MessageChannel();
    const waiting: number[] = [];
    painted.port1.addEventListener('message', () => void seen.push(performance.now() - waiting.shift()!));
    painted.port1.start();
    // A message posted in a frame arrives after that frame was painted.
    addEventListener('keydown', ({ timeStamp }) =>
      requestAnimationFrame(() => {
        waiting.push(timeStamp);
        painted.port2.postMessage(undefined);
      }),
    );
  });
  let arriving = true;
  let sent = 0;
  const flood = (async () => {
    for (const start = performance.now(); arriving; await delay(1)) {
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
  arriving = false;
  await flood;
  ben.disconnect();
  const times = (await ann.page.evaluate(() => (globalThis as unknown as { pressed: number[] }).pressed)).toSorted(
    (a, b) => a - b,
  );
  const at = (share: number) => (times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? NaN).toFixed(1);
  process.stdout.write(
    `${times.length} keys while ${sent} messages arrived in ${SECONDS} s${slower === 1 ? '' : `, ${slower} times as slow`}: key to screen p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, p99 ${at(0.99)} ms, worst ${at(1)} ms\n`,
  );
} finally {
  await stage.close();
}

import { eventually, uniqueName } from '@parley/testing';
import { expect, it } from 'vitest';
import { useTestBrowser } from './hooks.js';
import { messageRow, sendBy } from './test-browser.js';

declare global {
  /** Set in the page by the test. */
  var shownNotifications: (EventTarget & { readonly title: string; readonly options: NotificationOptions })[];
  var playedTones: number[];
}

const browser = useTestBrowser();

it('a new message elsewhere is notified by the system and by sound, as the settings of the device say', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  await ann.context.grantPermissions(['notifications']);
  await ann.context.addInitScript(() => {
    globalThis.shownNotifications = [];
    globalThis.playedTones = [];
    const start = OscillatorNode.prototype.start;
    OscillatorNode.prototype.start = function (when) {
      playedTones.push(this.frequency.value);
      start.call(this, when);
    };
    class FakeNotification extends EventTarget {
      static readonly permission = 'granted';
      static readonly requestPermission = () => Promise.resolve('granted');
      constructor(
        readonly title: string,
        readonly options: NotificationOptions,
      ) {
        super();
        shownNotifications.push(this);
      }
      close() {}
    }
    Object.assign(globalThis, { Notification: FakeNotification });
  });
  const notifications = () =>
    ann.page.evaluate(() => shownNotifications.map(({ title, options: { body } }) => ({ title, body })));
  const tones = () => ann.page.evaluate(() => playedTones);
  await ann.page.goto(`${browser().url}/settings`);
  const sound = ann.page.getByRole('switch', { name: /^Sound/ });
  await sound.uncheck();
  await ann.page.getByRole('switch', { name: /^System notifications/ }).check();
  await ann.page.reload();
  expect(await sound.isChecked()).toBe(false);
  expect(await ann.page.getByRole('switch', { name: /^System notifications/ }).isChecked()).toBe(true);

  // The window is behind another one.
  const devtools = await ann.context.newCDPSession(ann.page);
  await devtools.send('Emulation.setFocusEmulationEnabled', { enabled: false });
  const otherPage = await ann.context.newPage();
  await otherPage.bringToFront();
  await eventually(() => ann.page.evaluate(() => !document.hasFocus()));
  const {
    conversation: { id },
  } = await ben.call('conversation.create', { kind: 'direct', memberIds: [ann.client.user.id] });
  await sendBy(ben, id, 'Are you there?');
  await eventually(async () =>
    expect(await notifications()).toEqual([{ title: ben.user.displayName, body: 'Are you there?' }]),
  );
  expect(await tones()).toEqual([]);

  await devtools.send('Emulation.setFocusEmulationEnabled', { enabled: true });
  await ann.page.bringToFront();
  await sound.check();
  await sendBy(ben, id, 'Hello?');
  await eventually(async () => expect(await tones()).toEqual([660, 880]));
  expect(await notifications()).toHaveLength(1);
  await ann.page.evaluate(() => shownNotifications[0]!.dispatchEvent(new Event('click')));
  await messageRow(ann.page, 'Hello?').waitFor();
  await sendBy(ben, id, 'Good');
  await messageRow(ann.page, 'Good').waitFor();
  expect(await notifications()).toHaveLength(1);
});

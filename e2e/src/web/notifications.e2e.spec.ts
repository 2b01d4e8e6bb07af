import { eventually, uniqueName } from '@parley/testing';
import { expect, it } from 'vitest';
import { useTestBrowser } from './hooks.js';
import type { Page } from '@parley/testing/browser';
import { messageRow, sendBy } from './test-browser.js';

declare global {
  /** Set in the page by the test. */
  var shownNotifications: (EventTarget & { readonly title: string; readonly options: NotificationOptions })[];
  var playedTones: number[];
  /** Titles and texts that the page handed to its service worker. */
  var handedNotifications: string[];
}

const browser = useTestBrowser();

it('without a service worker, a new message elsewhere is notified by the page, as the settings of the device say', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  await ann.context.grantPermissions(['notifications']);
  await ann.context.addInitScript(() => {
    Reflect.deleteProperty(Navigator.prototype, 'serviceWorker');
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

it('one of several tabs notifies, by the service worker, and a click leads to the conversation', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const [ben, eve] = [await browser().client(uniqueName('Ben')), await browser().client(uniqueName('Eve'))];
  await ann.context.grantPermissions(['notifications']);
  await ann.context.addInitScript(() => {
    document.hasFocus = () => false;
    globalThis.playedTones = [];
    globalThis.handedNotifications = [];
    const start = OscillatorNode.prototype.start;
    OscillatorNode.prototype.start = function (when) {
      playedTones.push(this.frequency.value);
      start.call(this, when);
    };
    const show = ServiceWorkerRegistration.prototype.showNotification;
    ServiceWorkerRegistration.prototype.showNotification = function (title, options) {
      handedNotifications.push(`${title}: ${options?.body}`);
      return show.call(this, title, options);
    };
  });
  const tabs = [ann.page, await ann.context.newPage()];
  const everywhere = async <T>(read: (page: Page) => Promise<readonly T[]>): Promise<T[]> =>
    (await Promise.all(tabs.map(read))).flat();
  const handed = () => everywhere((page) => page.evaluate(() => handedNotifications));
  const tones = () => everywhere((page) => page.evaluate(() => playedTones));
  await ann.page.goto(`${browser().url}/settings`);
  await ann.page.getByRole('switch', { name: /^Sound/ }).uncheck();
  const system = ann.page.getByRole('switch', { name: /^System notifications/ });
  await system.click();
  await eventually(() => system.isChecked());
  await ann.page.evaluate(() => navigator.serviceWorker.ready);
  await tabs[1]!.goto(`${browser().url}/settings`);
  // The browser lets only pages that were used play sounds.
  await tabs[1]!.getByRole('heading', { name: 'Notifications on this device' }).click();

  const { conversation } = await ben.call('conversation.create', { kind: 'direct', memberIds: [ann.client.user.id] });
  const name = ben.user.displayName;
  await sendBy(ben, conversation.id, 'Are you there?');
  await eventually(async () => expect(await handed()).toEqual([`${name}: Are you there?`]));
  await sendBy(ben, conversation.id, 'Hello?');
  await eventually(async () => expect(await handed()).toContain(`${name}: Hello?`));
  expect(await handed()).toHaveLength(2);

  // The later one is in place of the earlier one. A click on it, in the service worker:
  const worker = ann.context.serviceWorkers()[0]!;
  const shown = await worker.evaluate(async () => {
    const { registration } = globalThis as unknown as { registration: ServiceWorkerRegistration };
    const notifications = await registration.getNotifications();
    for (const notification of notifications)
      dispatchEvent(Object.assign(new Event('notificationclick'), { notification, waitUntil: () => undefined }));
    return notifications.map(({ title, body, tag }) => ({ title, body, tag }));
  });
  expect(shown).toEqual([{ title: name, body: 'Hello?', tag: conversation.id }]);
  const opened = await Promise.any(
    tabs.map(async (page) => {
      await page.waitForURL(`${browser().url}/c/${conversation.id}`);
      return page;
    }),
  );
  await messageRow(opened, 'Hello?').waitFor();

  // The user looks at the tab that shows this conversation: messages of others are heard once, and not shown.
  await opened.evaluate(() => {
    localStorage.setItem('parley:notify-sound', 'on');
    document.hasFocus = () => true;
    dispatchEvent(new Event('focus'));
  });
  await sendBy(ben, conversation.id, 'Good');
  await messageRow(opened, 'Good').waitFor();
  const other = await eve.call('conversation.create', { kind: 'direct', memberIds: [ann.client.user.id] });
  await sendBy(eve, other.conversation.id, 'And here?');
  await eventually(async () => expect(await tones()).toEqual([660, 880]));
  expect(await handed()).toHaveLength(2);
});

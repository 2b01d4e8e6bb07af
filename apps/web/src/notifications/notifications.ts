import type { ConversationView } from '@parley/client';
import type { Message } from '@parley/contracts';
import { readItem, summaryOf, writeItem } from '@parley/react-ui/parts';
import { basePath } from '../shared/base-path.ts';
import { currentAppStrings } from '../strings/app-strings.tsx';

type Channel = 'sound' | 'system';
const keyOf = (channel: Channel) => `parley:notify-${channel}`;

/**
 * Whether this device notifies by sound, which is on by default, or by the system, which needs the browser's
 * permission.
 */
export const isEnabled = (channel: Channel): boolean =>
  channel === 'sound'
    ? readItem(keyOf(channel)) !== 'off'
    : readItem(keyOf(channel)) === 'on' && 'Notification' in globalThis && Notification.permission === 'granted';

/** Switches a channel on or off. Resolves with whether it is on now: the browser may refuse. */
export async function setEnabled(channel: Channel, on: boolean): Promise<boolean> {
  const allowed =
    !on ||
    channel === 'sound' ||
    ('Notification' in globalThis && (await Notification.requestPermission()) === 'granted');
  writeItem(keyOf(channel), on && allowed ? 'on' : 'off');
  return on && allowed;
}

/** Whether the settings of a conversation want this message to be notified. */
export function isWanted({ conversation: { me } }: ConversationView, message: Message, ownId: string): boolean {
  const level = me?.notifications ?? 'all';
  return level === 'all' || (level === 'mentions' && message.mentions.includes(ownId));
}

/** What a click on a notification leads to. The service worker passes it on. */
export interface NotificationTarget {
  readonly conversationId: string;
}

/**
 * Shows a message by the system, in place of an earlier one of its conversation, by the service worker if there is one:
 * phones want that, and such a notification outlives the page. `onClick`: for browsers without a service worker.
 */
export async function showNotification(
  { conversation: { id, kind, title } }: ConversationView,
  message: Message,
  sender: string,
  onClick: () => void,
): Promise<void> {
  const data: NotificationTarget = { conversationId: id };
  const heading = kind === 'direct' ? sender : currentAppStrings().notifications.inGroup(sender, title);
  // TypeScript does not know `renotify`, which makes a replaced notification alert again.
  const options: NotificationOptions & { renotify: boolean } = {
    body: summaryOf(message).slice(0, 200),
    tag: id,
    renotify: true,
    icon: `${basePath}/icon-192.png`,
    data,
  };
  const registration = await worker();
  if (registration) return registration.showNotification(heading, options);
  const notification = new Notification(heading, options);
  notification.addEventListener('click', () => {
    focus();
    onClick();
    notification.close();
  });
}

/** Closes the notifications of a conversation, or all of them. */
export async function closeNotifications(conversationId?: string): Promise<void> {
  const shown = (await (await worker())?.getNotifications()) ?? [];
  for (const notification of shown)
    if (conversationId === undefined || notification.tag === conversationId) notification.close();
}

/** Calls `listener` when a notification that the service worker shows was clicked. Returns a function that stops it. */
export function onNotificationClick(listener: (target: NotificationTarget) => void): () => void {
  if (!('serviceWorker' in navigator)) return () => undefined;
  const { serviceWorker } = navigator;
  const onMessage = ({ data }: MessageEvent<Partial<NotificationTarget> | null>) => {
    if (typeof data?.conversationId === 'string') listener({ conversationId: data.conversationId });
  };
  serviceWorker.addEventListener('message', onMessage);
  return () => serviceWorker.removeEventListener('message', onMessage);
}

async function worker(): Promise<ServiceWorkerRegistration | undefined> {
  if (!('serviceWorker' in navigator)) return undefined;
  const registration = await navigator.serviceWorker.getRegistration(`${basePath}/`).catch(() => undefined);
  return registration?.active ? registration : undefined;
}

let audio: AudioContext | undefined;
let lastPlayedAt = -Infinity;

/** Whether the browser lets this page play sounds: before the first interaction, it refuses and logs a warning. */
export const canPlay = (): boolean => navigator.userActivation?.hasBeenActive === true;

/** Plays two soft tones, once a second at most. */
export function playSound(): void {
  if (performance.now() - lastPlayedAt < 1000 || !canPlay()) return;
  lastPlayedAt = performance.now();
  audio ??= new AudioContext();
  [660, 880].forEach((frequency, at) => {
    const [tone, volume] = [audio!.createOscillator(), audio!.createGain()];
    const start = audio!.currentTime + at * 0.09;
    tone.frequency.value = frequency;
    volume.gain.setValueAtTime(0.0001, start);
    volume.gain.exponentialRampToValueAtTime(0.08, start + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.0001, start + 0.28);
    tone.connect(volume).connect(audio!.destination);
    tone.start(start);
    tone.stop(start + 0.3);
  });
}

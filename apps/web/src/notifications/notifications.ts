import type { ConversationView } from '@parley/client';
import type { Message } from '@parley/contracts';
import { readItem, summaryOf, writeItem } from '@parley/react-ui/parts';
import { basePath } from '../shared/base-path.ts';

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

/** Notifies of a message by sound and by the system, as the settings of the conversation and of this device allow. */
export function notify(view: ConversationView, message: Message, sender: string, ownId: string | undefined): void {
  const { id, kind, title, me } = view.conversation;
  const level = me?.notifications ?? 'all';
  if (level === 'none' || (level === 'mentions' && !message.mentions.includes(ownId ?? ''))) return;
  if (isEnabled('sound')) playSound();
  if (!isEnabled('system') || document.hasFocus()) return;
  const notification = new Notification(kind === 'direct' ? sender : `${sender} in ${title ?? 'a group'}`, {
    body: summaryOf(message).slice(0, 200),
    tag: id,
    icon: `${basePath}/favicon.svg`,
  });
  notification.addEventListener('click', () => {
    focus();
    history.pushState(null, '', `${basePath}/c/${id}`);
    notification.close();
  });
}

let audio: AudioContext | undefined;
let lastPlayedAt = -Infinity;

/** Plays two soft tones, once a second at most. */
export function playSound(): void {
  // Before the first interaction with the page, browsers refuse to play and log a warning.
  if (performance.now() - lastPlayedAt < 1000 || !navigator.userActivation?.hasBeenActive) return;
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

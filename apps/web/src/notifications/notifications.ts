import type { ConversationView } from '@parley/client';
import type { Message } from '@parley/contracts';
import { summaryOf } from '../messages/message.tsx';
import { read, write } from '../settings/themes.ts';

type Way = 'sound' | 'system';
const key = (way: Way) => `parley:notify-${way}`;

/** What the user wants on this device. Sound unless switched off, the system's notifications once allowed. */
export const wants = (way: Way): boolean =>
  way === 'sound'
    ? read(key(way)) !== 'off'
    : read(key(way)) === 'on' && 'Notification' in globalThis && Notification.permission === 'granted';

/** Resolves with whether it is on now: the browser may not allow it. */
export async function want(way: Way, on: boolean): Promise<boolean> {
  const allowed =
    !on || way === 'sound' || ('Notification' in globalThis && (await Notification.requestPermission()) === 'granted');
  write(key(way), on && allowed ? 'on' : 'off');
  return on && allowed;
}

/** By sound and by the system, as the conversation's setting and this device's say. */
export function notifyOf(view: ConversationView, message: Message, sender: string, ownId: string | undefined): void {
  const { id, kind, title, me } = view.conversation;
  const level = me?.notifications ?? 'all';
  if (level === 'none' || (level === 'mentions' && !message.mentions.includes(ownId ?? ''))) return;
  if (wants('sound')) chime();
  if (!wants('system') || document.hasFocus()) return;
  const notification = new Notification(kind === 'direct' ? sender : `${sender} in ${title ?? 'a group'}`, {
    body: summaryOf(message).slice(0, 200),
    tag: id,
    icon: '/favicon.svg',
  });
  notification.addEventListener('click', () => {
    focus();
    history.pushState(null, '', `/c/${id}`);
    notification.close();
  });
}

let audio: AudioContext | undefined;
let lastAt = -Infinity;

/** Two soft tones, at most one pair a second. */
export function chime(): void {
  // Before the page was touched a browser plays nothing, and complains.
  if (performance.now() - lastAt < 1000 || !navigator.userActivation?.hasBeenActive) return;
  lastAt = performance.now();
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

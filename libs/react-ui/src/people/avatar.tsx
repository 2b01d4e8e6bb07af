import type { Conversation, Presence, User } from '@parley/contracts';
import { Hash, Lock, Megaphone } from 'lucide-react';
import { usePicture } from '../files/pictures.ts';

/** Dark enough for white letters (4.5:1) in every theme. */
const colors = [
  '#5b4ad1',
  '#1f6fb2',
  '#0f7a6c',
  '#9a4a12',
  '#a8326b',
  '#7a3fa0',
  '#3f6b21',
  '#8c3a3a',
  '#4a5a78',
  '#2f6f8f',
];

const hash = (text: string): number =>
  Array.from(text, (letter) => letter.codePointAt(0)!).reduce((sum, code) => (sum * 31 + code) >>> 0, 7);
/** The colour that belongs to an id. */
export const colorOf = (id: string): string => colors[hash(id) % colors.length]!;
/** The colour of a person's name, readable on the page and on cards in every theme. */
export const nameColorOf = (id: string): string => `var(--name-${hash(id) % 8})`;
const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
const initials = (name: string): string => {
  const words = name.trim().split(/\s+/);
  return [words[0], words.length > 1 ? words.at(-1) : undefined]
    .map(
      (word) =>
        graphemes
          .segment(word ?? '')
          [Symbol.iterator]()
          .next().value?.segment ?? '',
    )
    .join('')
    .toUpperCase();
};

interface Props {
  readonly user: User | undefined;
  readonly size?: number;
  readonly presence?: Presence['state'] | undefined;
}

/** Decoration only: the name always stands beside it. */
export function Avatar({ user, size = 40, presence }: Props) {
  const picture = usePicture(user?.avatarId);
  return (
    <span
      className="avatar"
      style={{ '--size': `${size}px`, background: colorOf(user?.id ?? '') } as React.CSSProperties}
      aria-hidden="true"
    >
      {picture ? <img src={picture} alt="" /> : initials(user?.displayName ?? '?')}
      {presence && <span className={`dot ${presence}`} />}
    </span>
  );
}

/** The more readable one of black and white on a colour that somebody chose. */
export function textColorOn(color: string): string {
  const [red, green, blue] = [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16) / 255);
  return 0.2126 * red! ** 2.2 + 0.7152 * green! ** 2.2 + 0.0722 * blue! ** 2.2 > 0.18 ? '#111111' : '#ffffff';
}

/** The picture of a group or channel. */
export function RoomAvatar({
  conversation,
  size = 40,
}: {
  readonly conversation: Conversation;
  readonly size?: number;
}) {
  const background = conversation.color ?? colorOf(conversation.id);
  const Icon = conversation.kind === 'channel' ? Megaphone : conversation.visibility === 'public' ? Hash : Lock;
  return (
    <span
      className="avatar square"
      style={{ '--size': `${size}px`, background, color: textColorOn(background) } as React.CSSProperties}
      aria-hidden="true"
    >
      <Icon size={size * 0.45} strokeWidth={2.2} />
    </span>
  );
}

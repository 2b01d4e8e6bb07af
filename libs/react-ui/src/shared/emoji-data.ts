import { canonicalEmoji } from '@parley/contracts';
import data from 'emojibase-data/en/compact.json';

/** The tones of skin after the plain one: U+1F3FB to U+1F3FF. */
export const SKIN_TONES = 5;
const modifiers = Array.from({ length: SKIN_TONES }, (_, at) => String.fromCodePoint(0x1f3fb + at));

/** Emojibase's form of an emoji, as far as it is used. */
interface CompactEmoji {
  readonly label: string;
  readonly unicode: string;
  /** Absent for the parts of flags. */
  readonly group?: number;
  readonly order?: number;
  readonly tags?: readonly string[];
  readonly skins?: readonly { readonly unicode: string }[];
}

/** One emoji of the picker. */
export interface PickerEmoji {
  readonly emoji: string;
  /** Its English name. */
  readonly name: string;
  /** What it is found by, in lower case. */
  readonly words: string;
  /** With each tone of skin; empty if it has none. */
  readonly toned: readonly string[];
}

/** The categories in their order, by Emojibase's number of the group. The group of parts, 2, is left out. */
export const categories = [
  { key: 'smileys', group: 0, icon: '😀' },
  { key: 'people', group: 1, icon: '👋' },
  { key: 'nature', group: 3, icon: '🐻' },
  { key: 'food', group: 4, icon: '🍔' },
  { key: 'travel', group: 5, icon: '✈️' },
  { key: 'activities', group: 6, icon: '⚽' },
  { key: 'objects', group: 7, icon: '💡' },
  { key: 'symbols', group: 8, icon: '❤️' },
  { key: 'flags', group: 9, icon: '🏁' },
] as const;
/** A category of the picker. */
export type Category = (typeof categories)[number]['key'];

/** The same emoji with one tone of skin for everybody in it. */
function tonedOf(skins: CompactEmoji['skins'] = []): string[] {
  return modifiers.flatMap((tone) => {
    const others = modifiers.filter((modifier) => modifier !== tone);
    const skin = skins.find(
      ({ unicode }) => unicode.includes(tone) && !others.some((modifier) => unicode.includes(modifier)),
    );
    return skin ? (canonicalEmoji(skin.unicode) ?? []) : [];
  });
}

function readEmoji(): ReadonlyMap<Category, readonly PickerEmoji[]> {
  const sorted = (data as readonly CompactEmoji[]).toSorted((one, other) => (one.order ?? 0) - (other.order ?? 0));
  return new Map(
    categories.map(({ key, group }) => [
      key,
      sorted
        .filter((entry) => entry.group === group)
        .flatMap(({ label, unicode, tags = [], skins }) => {
          // What the server refuses as a reaction is not offered.
          const emoji = canonicalEmoji(unicode);
          if (emoji === undefined) return [];
          const toned = tonedOf(skins);
          const words = [label, ...tags].join(' ').toLowerCase();
          return [{ emoji, name: label, words, toned: toned.length === SKIN_TONES ? toned : [] }];
        }),
    ]),
  );
}

/** All emoji that may be reactions, by category. */
export const emojiByCategory = readEmoji();
const all = [...emojiByCategory.values()].flat();
const byEmoji = new Map(all.flatMap((entry) => [entry.emoji, ...entry.toned].map((emoji) => [emoji, entry] as const)));

/** What is known of an emoji, whatever tone of skin it has. */
export const findEmoji = (emoji: string): PickerEmoji | undefined => byEmoji.get(emoji);

/** The emoji whose words begin with each word of the query. Those that have it in their name come first. */
export function searchEmoji(query: string, limit: number): PickerEmoji[] {
  const typed = query.trim();
  const exact = canonicalEmoji(typed);
  if (exact !== undefined) return [byEmoji.get(exact) ?? []].flat();
  const words = typed.toLowerCase().split(/\s+/);
  const found = all.filter((entry) => words.every((word) => ` ${entry.words}`.includes(` ${word}`)));
  const isNamed = ({ name }: PickerEmoji) => ` ${name.toLowerCase()}`.includes(` ${words[0]}`);
  return [...found.filter(isNamed), ...found.filter((entry) => !isNamed(entry))].slice(0, limit);
}

import { Emoji } from '@parley/contracts';
import { expect, it } from 'vitest';
import { emojiByCategory, searchEmoji, SKIN_TONES } from './emoji-data.ts';

const all = [...emojiByCategory.values()].flat();

it('offers emoji of every category, each of which the server takes as a reaction, with each tone of skin', () => {
  expect(all.length).toBeGreaterThan(1_800);
  for (const entries of emojiByCategory.values()) expect(entries.length).toBeGreaterThan(50);
  const offered = all.flatMap(({ emoji, toned }) => [emoji, ...toned]);
  expect(offered.filter((emoji) => Emoji.safeParse(emoji).data !== emoji)).toEqual([]);
  expect(new Set(offered).size).toBe(offered.length);
  expect(all.find(({ emoji }) => emoji === '👋')!.toned).toEqual(['👋🏻', '👋🏼', '👋🏽', '👋🏾', '👋🏿']);
  expect(all.filter(({ toned }) => toned.length === SKIN_TONES).length).toBeGreaterThan(250);
});

it('finds emoji by the beginnings of words, those with the word in their name first, and by themselves', () => {
  expect(searchEmoji('pizza', 5).map(({ emoji }) => emoji)).toContain('🍕');
  expect(searchEmoji('  WAV ha', 5)[0]!.emoji).toBe('👋');
  expect(searchEmoji('👋🏿', 5).map(({ emoji }) => emoji)).toEqual(['👋']);
  expect(searchEmoji('no such emoji', 5)).toEqual([]);
  expect(searchEmoji('a', 7)).toHaveLength(7);
});

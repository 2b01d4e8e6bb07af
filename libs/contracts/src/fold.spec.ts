import { describe, expect, it } from 'vitest';
import { foldPart } from './fold.js';

describe('a folded text', () => {
  it.each([
    ['Arabic vowel signs', 'قُرْآنٌ مُحَمَّد', 'قران محمد'],
    ['the superscript alef', 'هٰذا', 'هذا'],
    ['Hebrew points', 'שָׁלוֹם', 'שלום'],
    ['the nukta of Devanagari, composed or not', 'क\u093cलम \u0958लम', 'कलम कलम'],
    ['the nukta of letters that stay composed', '\u0929 \u0931 \u0934', 'न र ळ'],
  ])('has no %s', (_, written, plain) => {
    expect(foldPart(written)).toBe(foldPart(plain));
    expect(foldPart(plain)).toBe(plain);
  });

  it.each([
    ['vowel signs of Devanagari, which are letters', 'की', 'का'],
    ['the nukta of Bengali, which makes another letter', 'ড', 'ড়'],
    ['the vowel signs of Tamil', 'கி', 'கு'],
  ])('keeps %s', (_, one, other) => {
    expect(foldPart(one)).not.toBe(foldPart(other));
  });
});

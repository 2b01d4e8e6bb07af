import { rounds } from '@parley/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contains, foldText, highlight, termsOf, wordsOf } from './folding.js';

const [BEGIN, END] = ['\ue000', '\ue001'];
/** Text of many scripts, with difficult characters more often than usual. */
const piece = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 6 }),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.constantFrom(
    'straße',
    'İ',
    'ﬁn',
    'Σς',
    '東京都',
    '한국',
    'が',
    'かき',
    'ab',
    '"the ab"',
    '"',
    'ไทย',
    '\u00ad',
    'ł’',
    'the',
    '👍🏽',
    '🇩🇪',
    '\u0301',
    '\u200d',
    BEGIN,
    END,
    ' ',
    ':)',
    '\u3000',
  ),
);
const text = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''));
/** A body, and a query that is often a part of it. */
const searched = fc.tuple(text, text, fc.nat(20), fc.nat(6), fc.boolean()).map(
  ([body, query, from, length, own]) =>
    [
      body,
      own
        ? query
        : [...new Intl.Segmenter('en').segment(body)]
            .slice(from, from + length + 1)
            .map(({ segment }) => segment)
            .join(''),
    ] as const,
);

describe('a search', () => {
  it('highlights terms in a body without changing it, with markers in pairs', () => {
    fc.assert(
      fc.property(searched, ([body, query]) => {
        const terms = termsOf(query);
        const marked = highlight(body, terms);
        expect(body.replace(/[\ue000\ue001]/g, '')).toBe(marked.replace(/[\ue000\ue001]/g, ''));
        expect(marked.replace(/[^\ue000\ue001]/g, '')).toMatch(/^(?:\ue000\ue001)*$/);
        expect(marked.includes(BEGIN)).toBe(terms.some((term) => contains(body, [term])));
      }),
      rounds(2_000),
    );
  });

  it('finds in the index every term that it finds in the body', () => {
    fc.assert(
      fc.property(searched, ([body, query]) => {
        const words = wordsOf(foldText(body));
        for (const term of termsOf(query).filter((one) => contains(body, [one]))) {
          expect(term.words.filter((word) => !words.includes(word))).toEqual([]);
          expect(term.prefix === undefined || words.some((word) => word.startsWith(term.prefix!))).toBe(true);
          expect(foldText(body)).toContain(term.text);
        }
      }),
      rounds(2_000),
    );
  });
});

import type { Message } from '@parley/contracts';
import { LocalState, rounds } from '@parley/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contains, foldText, highlight, termsOf, wordsOf } from './folding.js';

const [BEGIN, END] = ['\ue000', '\ue001'];
/** Text of many scripts, with what makes trouble in it more often than in life. */
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
/** A body, and a search for what is often a part of it. */
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
  it('highlights a body without changing it, with markers in pairs, wherever it contains the terms', () => {
    fc.assert(
      fc.property(searched, ([body, query]) => {
        const terms = termsOf(query);
        const marked = highlight(body, terms);
        expect(marked.replace(/[\ue000\ue001]/g, '')).toBe(body.replace(/[\ue000\ue001]/g, ''));
        expect(marked.replace(/[^\ue000\ue001]/g, '')).toMatch(/^(?:\ue000\ue001)*$/);
        expect(marked.includes(BEGIN)).toBe(terms.some((term) => contains(body, [term])));
      }),
      rounds(2_000),
    );
  });

  it('finds in the index what it finds in the body', () => {
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

describe('a device', () => {
  const at = '2026-01-01T00:00:00.000Z';
  const message = (seq: number, rev: number): Message => ({
    id: `m${seq}`,
    conversationId: 'k',
    seq,
    rev,
    senderId: 'ann',
    clientId: `c${seq}`,
    type: 'text',
    body: `${rev}`,
    attachments: [],
    mentions: [],
    createdAt: at,
    reactions: [],
  });
  const begun = (): LocalState => {
    const state = new LocalState('ben');
    state.apply('conversation:new', {
      conversation: {
        id: 'k',
        kind: 'group',
        visibility: 'private',
        createdBy: 'ann',
        createdAt: at,
        lastSeq: 0,
        rev: 1,
        memberCount: 2,
        policy: {},
      },
    });
    return state;
  };
  /** Every change is a new message, or an edit of an earlier one. */
  const history = fc.array(fc.option(fc.nat(20)), { minLength: 1, maxLength: 20 }).map((changes) => {
    let last = 0;
    return changes.map((edited, index) =>
      message(edited === null || last === 0 ? ++last : 1 + (edited % last), index + 2),
    );
  });

  it('holds the same in the end, in whatever order and how often it is told, once it has synced', () => {
    fc.assert(
      fc.property(
        history.chain((all) => fc.tuple(fc.constant(all), fc.array(fc.constantFrom(...all)), fc.nat(all.length))),
        ([all, told, since]) => {
          const [whole, torn] = [begun(), begun()];
          for (const one of all) whole.apply('message:updated', { message: one });
          const sync = () => {
            const rev = torn.cursors()['k']!;
            const changed = new Map(all.filter((one) => one.rev > rev).map((one) => [one.seq, one]));
            torn.applySync({
              epoch: 'e',
              added: [],
              removed: [],
              complete: true,
              changes: [
                {
                  conversationId: 'k',
                  messages: [...changed.values()],
                  receipts: [],
                  rev: all.length + 1,
                  complete: true,
                  epoch: 'e',
                },
              ],
            });
          };
          for (const [n, one] of told.entries()) {
            if (n === since) sync();
            torn.apply('message:new', { message: one });
          }
          sync();
          expect([torn.messages('k'), torn.cursors()]).toEqual([whole.messages('k'), whole.cursors()]);
        },
      ),
      rounds(500),
    );
  });
});

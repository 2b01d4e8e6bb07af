import { describe, expect, it } from 'vitest';
import { contains, foldText, highlight, termsOf, wordsOf } from './folding.js';

const marked = (body: string, query: string) =>
  highlight(body, termsOf(query)).replaceAll('\ue000', '[').replaceAll('\ue001', ']');
const found = (body: string, query: string) => contains(body, termsOf(query));

describe('folding', () => {
  it.each([
    ['CAFÉ', 'cafe'],
    ['cafe\u0301', 'cafe'],
    ['Straße', 'strasse'],
    ['ΟΔΟΣ', 'οδοσ'],
    ['οδός', 'οδοσ'],
    ['Ｆｕｌｌ　ｗｉｄｔｈ', 'full width'],
    ['ﬁn', 'fin'],
    ['İstanbul', 'istanbul'],
    ['한국', '한국'],
    ['\u1112\u1161\u11ab', '한'],
    ['ﾊﾟﾘ', 'パリ'],
    ['か\u3099', 'が'],
    ['\ue000x\ue001', 'x'],
    ['don’t', "don't"],
    ['Łódź', 'lodz'],
    ['Ørsted Đà', 'orsted da'],
    ['STRAẞE', 'straße'],
    ['Œuvre', 'oeuvre'],
    ['Ægir Þór', 'aegir thor'],
    ['Kırmızı', 'kirmizi'],
    ['Wort\u00adteil', 'Wortteil'],
    ['e\u2011mail', 'e-mail'],
    ['zero\u200bwidth', 'zerowidth'],
    ['كـــتاب', 'كتاب'],
    ['یکی', 'يكي'],
    ['علی', 'على'],
    ['می‌خواهم', 'میخواهم'],
    ['۱۲٣', '123'],
    ['❤️', '❤'],
    ['a \n\t b', 'a b'],
    ['a\u00a0b', 'a b'],
  ])('makes %s and %s the same', (one, other) => {
    expect(foldText(one)).toBe(foldText(other));
  });

  it.each([
    ['かき', 'がき'],
    ['कि', 'कु'],
    ['하', '한'],
    ['a', 'b'],
  ])('keeps %s and %s apart', (one, other) => {
    expect(foldText(one)).not.toBe(foldText(other));
  });
});

describe('words', () => {
  it('are runs of letters and digits, characters and pairs of scripts without spaces, or signs', () => {
    expect(wordsOf(foldText('Hello, wörld_2! 東京都 👍 1+1')).toSorted()).toEqual(
      ['+', '1', 'hello', 'world_2', '京', '京都', '東', '東京', '都', '👍'].toSorted(),
    );
    expect(wordsOf('--- ... \n')).toEqual([]);
    expect(wordsOf('x'.repeat(8_000))[0]).toHaveLength(64);
  });
});

describe('a search', () => {
  it('finds all terms in any order by parts of words', () => {
    expect(found('The quick brown fox', 'FOX uick')).toBe(true);
    expect(found('The quick brown fox', 'fox cat')).toBe(false);
  });

  it('finds short terms only at the beginning of words', () => {
    expect([
      found('a cab', 'ca'),
      found('a cab', 'ab'),
      found('c# and d', 'c#'),
      found('abc# and d', 'c#'),
      found('日本ab', 'ab'),
    ]).toEqual([true, false, true, false, true]);
  });

  it('finds signs and single characters of scripts without spaces anywhere', () => {
    expect([
      found('私は東京都に住む', '京'),
      found('私は東京都に住む', '京都'),
      found('私は東京都に住む', '東都'),
      found('ok👍🏽', '👍'),
      found('what :)', ':)'),
    ]).toEqual([true, true, false, true, true]);
  });

  it('has no terms when it consists of accents and white space', () => {
    expect(termsOf('\u0301 \u3000\ue000')).toEqual([]);
  });
});

describe('a phrase', () => {
  it.each([
    ['the server is down', true],
    ['restart The\n  Servers', true],
    ['«the server»', true],
    ['server the', false],
    ['the big server', false],
    ['bathe server', false],
  ])('"the server" in %j: %s', (body, expected) => {
    expect([found(body, '"the server"'), found(body, '“the server”')]).toEqual([expected, expected]);
    expect(found(`${body}, now`, 'now "the  server"')).toBe(expected);
  });

  it('has words that the index knows', () => {
    expect(termsOf('"the server, 東京 ab"')).toEqual([
      { text: 'the server, 東京 ab', atWordStart: true, words: ['東京', 'the', 'server'], prefix: 'ab' },
    ]);
    expect(termsOf('"the"')).toEqual([{ text: 'the', atWordStart: true, words: [], prefix: 'the' }]);
    expect(termsOf('""').map(({ text }) => text)).toEqual([]);
    expect(termsOf('"open').map(({ text }) => text)).toEqual(['"', 'open']);
  });
});

describe('scripts without spaces', () => {
  it.each([
    ['ฉันรักภาษาไทยมาก', 'ไทย'],
    ['ฉันรักภาษาไทยมาก', 'รัก'],
    ['ขอยืมน้ำหน่อย', 'น้ำ'],
    ['ຂ້ອຍຮັກພາສາລາວ', 'ລາວ'],
    ['ខ្ញុំស្រឡាញ់ភាសាខ្មែរ', 'ខ្មែរ'],
    ['ငါမြန်မာဘာသာ', 'ဘာသာ'],
    ['ภาษา', 'ษา'],
  ])('are found by parts: %s by %s', (body, part) => {
    const terms = termsOf(part);
    expect(contains(body, terms)).toBe(true);
    const words = wordsOf(foldText(body));
    expect(terms.flatMap((term) => term.words).filter((word) => !words.includes(word))).toEqual([]);
    expect(terms[0]!.words.length).toBeGreaterThan(0);
  });
});

describe('a highlight', () => {
  it('is the original text with its hits marked', () => {
    expect(marked('Ein Café, zwei CAFÉS', 'cafe')).toBe('Ein [Café], zwei [CAFÉ]S');
    expect(marked('Die Straße lang', 'STRASSE')).toBe('Die [Straße] lang');
    expect(marked('Die Straße lang', 'stras')).toBe('Die [Straß]e lang');
    expect(marked('ﬁnal', 'fin')).toBe('[ﬁn]al');
    expect(marked('cafe\u0301!', 'afe')).toBe('c[afe\u0301]!');
    expect(marked('a👍🏽b', '👍')).toBe('a[👍🏽]b');
    expect(marked('東京都', '京')).toBe('東[京]都');
    expect(marked('a Wort\u00adteil b', 'wortteil')).toBe('a [Wort\u00adteil] b');
    expect(marked('in the\n server', '"the server"')).toBe('in [the\n server]');
  });

  it('joins overlapping and adjacent hits', () => {
    expect(marked('aaaa bbb', 'aaa bbb')).toBe('[aaa]a [bbb]');
    expect(marked('abcdef', 'abc bcde')).toBe('[abcde]f');
    expect(marked('abcabc', 'abc')).toBe('[abcabc]');
    expect(marked('cab cab', 'ca')).toBe('[ca]b [ca]b');
  });

  it.each([
    ['a word in the middle', `${'one '.repeat(500)}needle${' two'.repeat(500)}`, 'needle'],
    ['a word at the beginning', `needle${' two'.repeat(500)}`, 'needle'],
    ['a word at the end, in another script', `${'один '.repeat(500)}иголка`, 'иголка'],
  ])('of a long body is a passage around %s', (_, body, term) => {
    const passage = marked(body, term);
    expect(passage).toContain(`[${term}]`);
    expect(body).toContain(passage.replace(/[[\]]/g, ''));
    expect(passage.length).toBe(302);
  });

  it('marks every hit in a passage, in pairs, however many there are', () => {
    const passage = marked('a b c d e f g h '.repeat(512), 'a b c d e f g h');
    expect(passage).toMatch(/^(?:\[[a-h]\] )+$/);
    expect(passage).toHaveLength(600);
    expect(marked('x'.repeat(8_000), 'xxx')).toBe(`[${'x'.repeat(300)}]`);
  });

  it('removes markers from the body', () => {
    expect(highlight('\ue000fo\ue001o bar', termsOf('foo'))).toBe('\ue000foo\ue001 bar');
  });
});

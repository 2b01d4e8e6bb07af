import fc from 'fast-check';
import { expect, it } from 'vitest';
import { inline, jsonLine, printable } from './printable.js';

/** Characters that a terminal obeys, or that make a text look like another one. */
// eslint-disable-next-line no-control-regex -- it is what must not be there
const obeyed = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\u{e0000}-\u{e007f}]/u;
const hostile = fc.string({
  unit: fc.oneof(
    fc.constantFrom(
      '\x1b',
      '\x1b[',
      '\x1b]0;',
      '\x1b]52;c;',
      '\x1b]8;;http://x',
      '\x1bP',
      '\x1b_',
      '\x07',
      '\x9b',
      '\x9d',
      '\x9c',
      '\x1b\\',
      '2J',
      '31m',
      '\r',
      '\b',
      '\x7f',
      '\0',
      '\u202e',
      '\u2066',
      '\ud800',
      '\u{e0041}',
    ),
    fc.string({ unit: 'binary', maxLength: 3 }),
  ),
  maxLength: 30,
});

it.each([
  ['a colour', 'a\x1b[31mred\x1b[0m', 'ared'],
  ['a cleared screen', '\x1b[2J\x1b[Hgone', 'gone'],
  ['a title of the window', '\x1b]0;owned\x07x', 'x'],
  ['a copy to the clipboard', '\x1b]52;c;ZWNobw==\x07x', 'x'],
  ['a carriage return over what was written', 'pay Ann\rpay Eve', 'pay Ann\npay Eve'],
  ['backspaces', 'no\b\byes', 'noyes'],
  ['an 8-bit escape', '\x9b2Jx', 'x'],
  ['another order of reading', 'abc\u202edef', 'abcdef'],
  ['half a character', 'a\ud800b', 'a\ufffdb'],
  ['a pile of accents', `a${'\u0301'.repeat(50)}b`, `a${'\u0301'.repeat(4)}b`],
])('%s is removed', (_what, text, shown) => {
  expect(printable(text)).toBe(shown);
});

it('ordinary text stays as it is', () => {
  const text = 'Grüße, 你好, 👩‍👩‍👧 é\nand “more” — of 1/2 ½';
  expect(printable(text)).toBe(text);
});

it('no combination of fragments gets a control sequence through', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      expect(printable(text)).not.toMatch(obeyed);
      expect(inline(text)).not.toMatch(/\n/);
    }),
    { numRuns: 2000 },
  );
});

it('a line of JSON has no control characters', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const line = jsonLine({ text });
      expect(line).not.toMatch(/[^\u0020-\u007e\u00a0-\u{10ffff}]/u);
      expect(JSON.parse(line)).toEqual({ text });
    }),
    { numRuns: 500 },
  );
});

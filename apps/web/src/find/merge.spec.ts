import { expect, it } from 'vitest';
import { matches, merge } from './merge.ts';

const entries = (keys: string) => Array.from(keys, (key) => ({ key }));
const keysOf = (merged: readonly { readonly key: string }[]) => merged.map(({ key }) => key).join('');

it.each([
  ['', 'abc', 'abc'],
  ['abc', 'xaybzc', 'abcxyz'],
  ['abc', 'cba', 'abc'],
  ['abc', 'cda', 'acd'],
  ['', 'aba', 'ab'],
])('of %j shown and %j found, it shows %j', (shown, found, expected) => {
  expect(keysOf(merge(entries(shown), entries(found)))).toBe(expected);
});

it('a query matches by parts of words, without case and accents', () => {
  expect(matches('zoe arc', 'Zoë Archer', 'zoe1')).toBe(true);
  expect(matches('zoe b', 'Zoë Archer', undefined)).toBe(false);
  expect(matches('', 'anything')).toBe(true);
});

import { describe, expect, it } from 'vitest';
import { candidatesOf } from './mentions.js';

const firsts = (body: string) => candidatesOf(body).map(([first]) => first);

describe('the mentions of a body', () => {
  it.each<[string, string[]]>([
    ['hello', []],
    ['@anna', ['anna']],
    ['hi @Anna, @ben!', ['anna', 'ben']],
    ['(@anna) "@ben" @@cara', ['anna', 'ben', 'cara']],
    ['anna@example.com', []],
    ['é@anna ü_@ben', []],
    ['@an @a. @--', []],
    ['@anna @ANNA @anna', ['anna']],
    [`@${'a'.repeat(32)}`, ['a'.repeat(32)]],
    [`@${'a'.repeat(33)}`, []],
    ['@x_1-y.z', ['x_1-y.z']],
    ['line\n@anna\ttab@ben', ['anna']],
  ])('of %j are %j', (body, names) => {
    expect(firsts(body)).toEqual(names);
  });

  it('may end before trailing dots and dashes, which may be punctuation', () => {
    expect(candidatesOf('ask @anna.-.')).toEqual([['anna.-.', 'anna.-', 'anna.', 'anna']]);
    expect(candidatesOf('@a.b. and @ab..')).toEqual([
      ['a.b.', 'a.b'],
      ['ab..', 'ab.'],
    ]);
    expect(candidatesOf(`@${'a'.repeat(32)}..`)).toEqual([['a'.repeat(32)]]);
  });

  it('are limited to 50', () => {
    const body = Array.from({ length: 60 }, (_, n) => `@user${n}`).join(' ');
    expect(firsts(body)).toEqual(Array.from({ length: 50 }, (_, n) => `user${n}`));
  });

  it('have no more candidates than a username has lengths, however long the word is', () => {
    expect(candidatesOf('@'.repeat(8000))).toEqual([]);
    expect(candidatesOf(`@${'.'.repeat(8000)}`)).toEqual([Array.from({ length: 30 }, (_, n) => '.'.repeat(32 - n))]);
    expect(candidatesOf('@a.'.repeat(2700))).toEqual([]);
  });
});

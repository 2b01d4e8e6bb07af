import { expect, it } from 'vitest';
import { candidatesOf } from './mentions.js';

it('A repeated mention counts once, in any case', () => {
  expect(candidatesOf('@anna @ANNA, @ben. @anna')).toEqual([['anna'], ['ben.', 'ben']]);
});

it('At most 50 different mentions are resolved', () => {
  const body = Array.from({ length: 60 }, (_, n) => `@user${n}`).join(' ');
  expect(candidatesOf(body).map(([first]) => first)).toEqual(Array.from({ length: 50 }, (_, n) => `user${n}`));
});

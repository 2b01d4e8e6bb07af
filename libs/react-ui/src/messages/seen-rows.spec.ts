import { expect, it } from 'vitest';
import { endingWithin } from './seen-rows.ts';

const viewport = { top: 100, bottom: 500 };
const seen = (...bottoms: number[]) =>
  endingWithin(
    bottoms.map((bottom, at) => ({ seq: at + 1, bottom })),
    viewport,
  );

it('a row is seen when its end is between the edges', () => {
  expect(seen(60, 100, 140, 300, 500, 540)).toEqual([3, 4, 5]);
});

it('a row is seen when its end lies on the lower edge but for a fraction of a pixel', () => {
  expect(seen(500.4)).toEqual([1]);
});

it('a row that is higher than the viewport is seen only with its end', () => {
  expect(seen(2_000)).toEqual([]);
  expect(seen(499)).toEqual([1]);
});

import { expect, it } from 'vitest';
import { strokeAt, strokesOf, type Drawn } from './strokes.ts';

const line = (id: string, points: number[], more: Partial<Drawn> = {}): Drawn => ({
  id,
  userId: 'ann',
  color: '#000000',
  width: 2,
  points,
  ...more,
});
const lines = [
  line('a', [0, 0, 100, 0]),
  line('other', [0, 50, 100, 50], { userId: 'ben' }),
  line('b', [100.001, 0, 100, 100]),
  line('c', [100, 100, 200, 100], { color: '#ff0000' }),
  line('d', [300, 300]),
];
const byId = new Map(lines.map((one) => [one.id, one]));

it('parts that continue each other are one stroke, those of others and of another colour are not', () => {
  expect(strokesOf(lines, 'ann')).toEqual([['a', 'b'], ['c'], ['d']]);
  expect(strokesOf(lines, 'ben')).toEqual([['other']]);
});

it.each([
  [50, 8, ['a', 'b']],
  [100, 100, ['c']],
  [303, 303, ['d']],
  [50, 50, undefined],
])('at %d, %d is the newest own stroke there', (x, y, stroke) => {
  expect(strokeAt(byId, strokesOf(lines, 'ann'), x, y)).toEqual(stroke);
});

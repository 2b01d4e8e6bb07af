import { describe, expect, it } from 'vitest';
import { Seen } from './seen.js';
import { Numbering, Sequence } from './push-order.js';

describe('the order of frames', () => {
  it('is checked per publisher and route: next, seen before, or a hole', () => {
    const sequence = new Sequence();
    const check = (...numbers: number[]) => numbers.map((number) => sequence.check('a', number, true));
    expect(check(1, 2, 2, 1, 3, 5, 4, 6)).toEqual(['next', 'next', 'old', 'old', 'next', 'gap', 'old', 'next']);
    expect(sequence.check('b', 7, false)).toBe('next');
    expect(sequence.check('c', 7, true)).toBe('gap');
  });

  it('has numbers without holes for every route, also after many others', () => {
    const numbering = new Numbering('me');
    const sequence = new Sequence();
    const routes = Array.from({ length: 12_000 }, (_, at) => `gateway-${at}`);
    for (const route of [...routes, ...routes, ...routes.slice(0, 10)]) {
      const { stream, number } = numbering.next(route);
      expect(sequence.check(stream, number, true)).toBe('next');
    }
  });
});

describe('ids', () => {
  it('are remembered for a generation at least, and not for ever', () => {
    const seen = new Seen(3);
    expect(['a', 'b', 'a', 'c', 'd', 'a'].map((id) => seen.first(id))).toEqual([true, true, false, true, true, false]);
    for (const id of ['e', 'f', 'g', 'h']) seen.first(id);
    expect(seen.first('a')).toBe(true);
  });
});

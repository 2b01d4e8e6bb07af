import { describe, expect, it } from 'vitest';
import { rangeOf, type PageRequest } from './messages.js';

describe('the positions of a page', () => {
  const cases: [Omit<PageRequest, 'limit'>, number, number, [number, number]][] = [
    [{}, 10, 0, [1, 0]],
    [{}, 10, 25, [16, 25]],
    [{}, 10, 4, [1, 4]],
    [{ before: 16 }, 10, 25, [6, 15]],
    [{ before: 5 }, 10, 25, [1, 4]],
    [{ before: 1 }, 10, 25, [1, 0]],
    [{ before: 0 }, 10, 25, [1, 0]],
    [{ before: 26 }, 10, 25, [16, 25]],
    [{ before: 1000 }, 10, 25, [16, 25]],
    [{ after: 0 }, 10, 25, [1, 10]],
    [{ after: 20 }, 10, 25, [21, 25]],
    [{ after: 25 }, 10, 25, [26, 25]],
    [{ after: 1000 }, 10, 25, [26, 25]],
    [{ around: 12 }, 10, 25, [7, 16]],
    [{ around: 1 }, 10, 25, [1, 10]],
    [{ around: 0 }, 10, 25, [1, 10]],
    [{ around: 25 }, 10, 25, [16, 25]],
    [{ around: 1000 }, 10, 25, [16, 25]],
    [{ around: 2 }, 10, 3, [1, 3]],
    [{ around: 5 }, 1, 25, [5, 5]],
    [{ around: 0 }, 10, 0, [1, 0]],
  ];
  it.each(cases)('%o with limit %i of %i messages', (request, limit, lastSeq, [from, to]) => {
    expect(rangeOf({ ...request, limit }, lastSeq)).toEqual({ from, to });
  });
});

import { rounds } from '@parley/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { decodeCursor, encodeCursor } from './cursor.js';

describe('a cursor', () => {
  const Place = z.tuple([z.string(), z.number()]);
  const refusal = expect.objectContaining({ code: 'invalid' }) as Error;

  it('decodes to the encoded position', () => {
    expect(decodeCursor('list', Place, encodeCursor('list', ['ann:e', 7]))).toEqual(['ann:e', 7]);
  });

  it.each([
    ['an empty string', ''],
    ['other characters', '%%'],
    ['a cursor of another list', encodeCursor('other', ['x', 1])],
    ['padding', `${encodeCursor('list', ['x', 1])}=`],
    ['another shape', encodeCursor('list', ['x'])],
    ['NUL in text', encodeCursor('list', ['a\0b', 1])],
  ])('is refused with invalid for %s', (_what, cursor) => {
    expect(() => decodeCursor('list', Place, cursor)).toThrow(refusal);
  });

  it('either decodes and encodes to itself or is refused with invalid, for any string', () => {
    const outcome = (cursor: string): unknown => {
      try {
        return encodeCursor('list', decodeCursor('list', Place, cursor)) === cursor;
      } catch (error) {
        return error;
      }
    };
    const strings = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.base64String(),
      fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value)).toString('base64url')),
      fc.tuple(fc.string({ unit: 'binary' }), fc.double()).map((position) => encodeCursor('list', position)),
    );
    fc.assert(
      fc.property(strings, (cursor) => {
        expect([true, refusal]).toContainEqual(outcome(cursor));
      }),
      rounds(1_000),
    );
  });
});

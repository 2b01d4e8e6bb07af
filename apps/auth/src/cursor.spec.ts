import { rounds } from '@parley/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCursor, encodeCursor } from './cursor.js';
import { guestName } from './accounts/guest-names.js';

describe('a cursor', () => {
  it('leads back to its position', () => expect(decodeCursor(encodeCursor('user', 'ann:e'), 'user')).toBe('ann:e'));
  it.each(['', '%%', encodeCursor('session', 'x'), `${encodeCursor('user', 'x')}=`, encodeCursor('user', 'a\0b')])(
    '%j is not one of users',
    (cursor) => {
      expect(() => decodeCursor(cursor, 'user')).toThrow(expect.objectContaining({ code: 'invalid' }));
    },
  );

  it('is either good or refused as none, whatever it is', () => {
    const refusal = expect.objectContaining({ code: 'invalid' }) as Error;
    const outcome = (cursor: string): unknown => {
      try {
        return encodeCursor('user', decodeCursor(cursor, 'user')) === cursor;
      } catch (error) {
        return error;
      }
    };
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.base64String(),
          fc.string({ unit: 'binary' }).map((at) => encodeCursor('user', at)),
        ),
        (cursor) => {
          expect([true, refusal]).toContainEqual(outcome(cursor));
        },
      ),
      rounds(200),
    );
  });
});

describe('a guest’s name', () => {
  it('is a valid username', () => {
    for (let n = 0; n < 200; n++) expect(guestName(100_000_000).username).toMatch(/^[a-z0-9_.-]{3,32}$/);
  });
});

import { describe, expect, it } from 'vitest';
import { decodeCursor, encodeCursor } from './cursor.js';
import { guestName } from './guest-names.js';

describe('a cursor', () => {
  it('leads back to its position', () => expect(decodeCursor(encodeCursor('user', 'ann:e'), 'user')).toBe('ann:e'));
  it.each(['', '%%', encodeCursor('session', 'x'), `${encodeCursor('user', 'x')}=`, encodeCursor('user', 'a\0b')])('%j is not one of users', (cursor) => {
    expect(() => decodeCursor(cursor, 'user')).toThrow(expect.objectContaining({ code: 'invalid' }));
  });
});

describe('a guest’s name', () => {
  it('is a valid username', () => {
    for (let n = 0; n < 200; n++) expect(guestName(100_000_000).username).toMatch(/^[a-z0-9_.-]{3,32}$/);
  });
});

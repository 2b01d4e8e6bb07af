import { describe, expect, it } from 'vitest';
import { ColumnCipher, secretKeyConfig, secretKeysOf } from './column-cipher.js';
import { loadConfig } from './config.js';
import { StartError } from './run.js';

const [one, two] = ['one'.repeat(12), 'two'.repeat(12)];
const cipher = (current?: string, previous?: string, column = 'chat.webhook.secret') =>
  new ColumnCipher(column, { current, previous });
const problemOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(StartError);
    return (error as Error).message;
  }
  return 'none';
};

describe('a stored secret', () => {
  it('is encrypted under the key, differently each time, and read again', () => {
    const stored = [cipher(one).encrypt('geheim ü', 'row'), cipher(one).encrypt('geheim ü', 'row')];
    expect(new Set(stored).size).toBe(2);
    for (const value of stored) {
      expect(value).toMatch(/^encrypted:v1:[\w-]{8}:[\w-]+$/);
      expect(value).not.toContain('geheim');
      expect(cipher(one).decrypt(value, 'row')).toBe('geheim ü');
    }
  });

  it('is stored as it is without a key, and stays readable with one', () => {
    expect(cipher().encrypt('plain', 'row')).toBe('plain');
    expect(cipher(one).decrypt('plain', 'row')).toBe('plain');
    expect([cipher().isOutdated('plain'), cipher(one).isOutdated('plain')]).toEqual([false, true]);
  });

  it('is read under the previous key, and is to be encrypted again', () => {
    const stored = cipher(one).encrypt('geheim', 'row');
    expect(cipher(two, one).decrypt(stored, 'row')).toBe('geheim');
    expect([cipher(one).isOutdated(stored), cipher(two, one).isOutdated(stored)]).toEqual([false, true]);
    expect([cipher(undefined, one).decrypt(stored, 'row'), cipher(undefined, one).isOutdated(stored)]).toEqual([
      'geheim',
      true,
    ]);
  });

  it('is not read without its key, and the reason names no secret', () => {
    const stored = cipher(one).encrypt('geheim', 'row');
    expect(problemOf(() => cipher().decrypt(stored, 'row'))).toMatch(/SECRET_KEY is not set/);
    expect(problemOf(() => cipher(two).decrypt(stored, 'row'))).toMatch(/another SECRET_KEY.*SECRET_KEY_PREVIOUS/);
    expect(problemOf(() => cipher(two).decrypt(stored, 'row'))).not.toContain(two);
  });

  it('is not read in another row or column, nor when it was changed or cut', () => {
    const stored = cipher(one).encrypt('geheim', 'row');
    expect(problemOf(() => cipher(one).decrypt(stored, 'other'))).toMatch(/is damaged/);
    expect(problemOf(() => cipher(one, undefined, 'auth.key').decrypt(stored, 'row'))).toMatch(/another SECRET_KEY/);
    const at = stored.length - 5;
    const changed = stored.slice(0, at) + (stored[at] === 'A' ? 'B' : 'A') + stored.slice(at + 1);
    for (const value of [changed, stored.slice(0, -4), stored.slice(0, 30)])
      expect(
        problemOf(() => cipher(one).decrypt(value, 'row')),
        value,
      ).toMatch(/is damaged/);
  });

  it('has a key of at least 32 characters, also from a file', () => {
    expect(() => loadConfig(secretKeyConfig, { SECRET_KEY: 'x'.repeat(31) })).toThrow(/at least 32 characters/);
    const random = '0f8c2b6d9e4a7153c8b1f6e2d7a40935';
    expect(secretKeysOf(loadConfig(secretKeyConfig, { SECRET_KEY: random }))).toEqual({ current: random });
  });

  it.each(['x'.repeat(64), 'abcdefgh'.repeat(8), '0123'.repeat(7) + '99999'])('must be random: %s', (weak) => {
    expect(() => loadConfig(secretKeyConfig, { SECRET_KEY: weak })).toThrow(/must be random.*openssl/);
    // Otherwise nobody could change from such a key, which was allowed before.
    expect(loadConfig(secretKeyConfig, { SECRET_KEY_PREVIOUS: weak }).SECRET_KEY_PREVIOUS).toBe(weak);
    expect(secretKeysOf(loadConfig(secretKeyConfig, {}))).toEqual({});
  });
});

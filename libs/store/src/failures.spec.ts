import { ChatError } from '@parley/contracts';
import { Unavailable } from '@parley/service-kit';
import { describe, expect, it } from 'vitest';
import { encode } from './database.js';
import { kindOf, reasonOf, SqlError, translate } from './failures.js';

const coded = (code: string, message = 'it failed') => Object.assign(new Error(message), { code });

describe('a failure of the database', () => {
  it.each(['40001', '40P01'])('%s is retried', (code) => expect(kindOf(coded(code))).toBe('retry'));
  it.each([
    '08006',
    '53100',
    '53300',
    '57P01',
    '57P03',
    '58030',
    '25006',
    'ECONNREFUSED',
    'ECONNRESET',
    'ETIMEDOUT',
    'ENOTFOUND',
    'EAI_AGAIN',
  ])('%s is unavailable', (code) => {
    expect(kindOf(coded(code))).toBe('away');
    expect(translate(coded(code))).toBeInstanceOf(Unavailable);
  });
  it.each([
    'Connection terminated unexpectedly',
    'timeout exceeded when trying to connect',
    'Query read timeout',
    'PGlite is closed',
  ])('“%s” is unavailable', (message) => {
    expect(kindOf(new Error(message))).toBe('away');
  });
  it.each(['57014', '55P03'])('%s is too slow: unavailable, with a good connection', (code) => {
    expect(kindOf(coded(code))).toBe('slow');
    expect(translate(coded(code))).toBeInstanceOf(Unavailable);
  });
  it('answered by the server keeps its code and loses its values', () => {
    const error = Object.assign(coded('23505', 'duplicate key'), {
      constraint: 'user_username_key',
      detail: 'Key (username)=(bob)',
      parameters: ['bob'],
    });
    expect(translate(error)).toEqual(new SqlError('duplicate key', '23505', 'user_username_key'));
  });
  it('of the caller passes unchanged', () => {
    for (const error of [new ChatError('conflict'), new TypeError('x is not a function'), coded('ENOENT')])
      expect(translate(error)).toBe(error);
  });
  it('is described in one line', () =>
    expect(reasonOf(coded('ECONNREFUSED', 'connect\nat there'))).toBe('connect (ECONNREFUSED)'));
});

describe('a parameter', () => {
  it.each([
    [[], '{}'],
    [
      [
        [1, 2],
        [3, null],
      ],
      '{{"1","2"},{"3",NULL}}',
    ],
    [['a"\\'], '{"a\\"\\\\"}'],
    [new Date(0), '1970-01-01T00:00:00.000Z'],
    [Buffer.from('a'), '\\x61'],
    [12n, '12'],
    [undefined, null],
  ])('%s is written as %s', (value, text) => expect(encode(value)).toBe(text));
});

import { describe, expect, it } from 'vitest';
import { isReserved, skeletonOf, skeletonsOfName } from './look-alikes.js';

describe('usernames', () => {
  it.each([
    ['anna1', 'annal'],
    ['b0b', 'bob'],
    ['modern', 'modem'],
  ])('look alike: %s and %s', (one, other) => {
    expect(skeletonOf(one)).toBe(skeletonOf(other));
  });

  it.each([
    ['anna', 'anne'],
    ['a.b', 'a-b'],
    ['user10', 'user11'],
    ['ali', 'all'],
  ])('do not look alike: %s and %s', (one, other) => {
    expect(skeletonOf(one)).not.toBe(skeletonOf(other));
  });

  it.each(['Anna', 'аnna', 'ＡＮＮＡ', '@anna', '𝖆𝖓𝖓𝖆', 'an\u200bna', 'Αnna', ' anna '])(
    'are read in the name %s',
    (name) => {
      expect(skeletonsOfName(name)).toContain(skeletonOf('anna'));
    },
  );

  it('are read in names with a capital I, as i and as l', () => {
    expect(skeletonsOfName('AIan')).toContain(skeletonOf('alan'));
    expect(skeletonsOfName('IAN')).toContain(skeletonOf('ian'));
    expect(skeletonsOfName('Anna B')).not.toContain(skeletonOf('anna'));
  });
});

describe('a reserved word', () => {
  it.each([
    'admin',
    'ADMIN',
    'adm1n',
    'admln',
    'adrnin',
    '4dm1n',
    'a.d.m.i.n',
    '_admin_',
    'supp0rt',
    '5upport',
    'suppоrt',
    'Ѕystem',
    's y s t e m',
    'r00t',
    'a11',
    'h3re',
    'everyοne',
    'par1ey',
    'parIey',
    'm0derat0r',
    'Administrator',
    '@all',
    'ｃｈａｎｎｅｌ',
    'ad\u200bmin',
  ])('is recognised in %s', (name) => {
    expect(isReserved(name)).toBe(true);
  });

  it.each(['anna', 'ali', 'administrators', 'admin2', 'al', 'her', 'rooted', 'hereby', 'alli', '你好', 'sis'])(
    'is not recognised in %s',
    (name) => {
      expect(isReserved(name)).toBe(false);
    },
  );
});

import { describe, expect, it } from 'vitest';
import { bareSkeletonOf, bareSkeletonsOfName, isReserved, skeletonOf, skeletonsOfName } from './look-alikes.js';

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

  it.each([
    ['anna_x', 'anna-x'],
    ['anna.x', 'annax'],
    ['_anna1__x_', 'annal.x'],
    ['a-1.2', 'a1-_2'],
  ])('differ by separators only: %s and %s', (one, other) => {
    expect(bareSkeletonOf(one)).toBe(bareSkeletonOf(other));
  });

  it.each([
    ['anna-1-23', 'anna-12-3'],
    ['anna1-2', 'anna12'],
    ['___', '---'],
    ['anna_x', 'anna_y'],
  ])('do not differ by separators only: %s and %s', (one, other) => {
    expect(bareSkeletonOf(one)).not.toBe(bareSkeletonOf(other));
  });

  it.each(['anna-x', '⭐ Anna.X', 'annax', 'a n n a x', '[ANNA_X]'])(
    'of others are read without separators in %j',
    (name) => {
      expect(bareSkeletonsOfName(name)).toContain(bareSkeletonOf('anna_x'));
    },
  );

  it('are not read in several words', () => {
    expect(bareSkeletonsOfName('Anna X')).not.toContain(bareSkeletonOf('anna_x'));
  });

  it.each(['Anna', 'аnna', 'ＡＮＮＡ', '@anna', '𝖆𝖓𝖓𝖆', 'an\u200bna', 'Αnna', ' anna '])(
    'are read in the name %s',
    (name) => {
      expect(skeletonsOfName(name)).toContain(skeletonOf('anna'));
    },
  );

  it.each([
    'a.n.n.a',
    '(an)na',
    '[anna]',
    '⭐ anna ⭐',
    '🇩🇪 anna',
    'a n n a',
    '_anna_',
    'an⭐na',
    'ánna',
    'a\u0335nna',
    'a\u20ddnna',
    'an\u2800na',
    'an\ufffena',
    'an\ufdd0na',
    'an\ue000na',
    'an\u3164na',
    'an\u0378na',
    'ꓮꓠꓠꓮ',
    'ᎪNNᎪ',
    'ꭺnnꭺ',
    'ᗅnna',
    'ᗩᑎᑎᗩ',
    'ᴀɴɴᴀ',
    'ɑŋŋɑ',
    'ⓐⓝⓝⓐ',
    '🅐🅝🅝🅐',
    '🄰🄽🄽🄰',
    '🅰🅽🅽🅰',
    '🇦🇳🇳🇦',
    'aɳɳa',
    'AИИA',
    '卂几几卂',
  ])('are read in the decorated or foreign name %j', (name) => {
    expect(skeletonsOfName(name)).toContain(skeletonOf('anna'));
  });

  it.each([
    ['[anna_lee]', 'anna_lee'],
    ['⭐anna_lee⭐', 'anna_lee'],
    ['𐐄𐓂𐓂t', 'ooot'],
    ['Ⲥⲟⲟ', 'coo'],
    ['IIia', 'ilia'],
  ])('are read in %j as they are written', (name, username) => {
    expect(skeletonsOfName(name)).toContain(skeletonOf(username));
  });

  it.each([
    ['Anna Lee', 'annalee'],
    ['Anna (HR)', 'annahr'],
    ['J. Smith', 'jsmith'],
    ['Anna 🇩🇪', 'annade'],
    ['(anna)', 'canna'],
  ])('are not read in %j: %s', (name, username) => {
    expect(skeletonsOfName(name)).not.toContain(skeletonOf(username));
  });

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
    'a d m i n',
    'A  D  M  I  N',
    'a-d-m-i-n',
    's.y.s.t.e.m',
    'a·d·m·i·n',
    'a – d – m – i – n',
    '|a|d|m|i|n|',
    'a\u00a0d\u2003m\u3000i\u2009n',
    'sys tem',
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
    'ad\u2800min',
    'ad\ufffemin',
    'ad\ufdd0min',
    'ad\ue000min',
    'ad\u{10ffff}min',
    'ad\u0378min',
    'ad\u115fmin',
    'ꓮꓓꓟꓲꓠ',
    'ᎪᎠᎷᏆN',
    'ꭺꭰꮇꮖn',
    'ᗩᗪᗰIᑎ',
    'ᏗᎴᎷᎥᏁ',
    '卂ᗪ爪丨几',
    'ᴀᴅᴍɪɴ',
    'ꜱʏꜱᴛᴇᴍ',
    'ɑɗɱɩɳ',
    'ađmin',
    'ⲥⲏannel',
    '𐒴𐓂𐓂t',
    'ⓐⓓⓜⓘⓝ',
    '⒜⒟⒨⒤⒩',
    '🅐🅓🅜🅘🅝',
    '🄰🄳🄼🄸🄽',
    '🅰🅳🅼🅸🅽',
    '🇦🇩🇲🇮🇳',
    '🇩🇪 admin 🇩🇪',
    '🅱️ admin',
    'r⭕⭕t',
    'a1️⃣1️⃣',
    '[admin]',
    '(ad)min',
    '⭐ admin ⭐',
    'ad👍min',
    '«System»',
    '„support“',
    'here!',
    'a\u0336d\u0336m\u0336i\u0336n\u0336',
    'ädmín',
    'ạdmin',
    '@dm!n',
    '$y$tem',
    'AlI',
    'ΛDMIN',
  ])('is recognised in %s', (name) => {
    expect(isReserved(name)).toBe(true);
  });

  it.each([
    'anna',
    'ali',
    'Ali',
    'ALI',
    'Ali 🌟',
    'Al!',
    'Al 🇱🇻',
    'All Might',
    'Root Beer',
    'The Admin Team',
    'José 🌟',
    'Anna (HR)',
    "O'Neil",
    'Jean-Pierre',
    'administrators',
    'admin2',
    'al',
    'her',
    'rooted',
    'hereby',
    'alli',
    'sis',
    '你好',
    '王力',
    '山乂',
    'ノア',
    '김철수',
    'Алла',
    'Алина',
    'Αλίκη',
    'علی',
    'אלי',
    'आलोक',
    'സിന്ധു',
    'สมชาย',
    'ლილი',
    'Լիլիթ',
    'ᏣᎳᎩ',
    '🇦🇱',
    '⭐⭐⭐',
  ])('is not recognised in %s', (name) => {
    expect(isReserved(name)).toBe(false);
  });
});

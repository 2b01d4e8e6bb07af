import { describe, expect, it } from 'vitest';
import { limitBounds } from './limits.js';
import { calls } from './calls.js';
import { newId } from './ids.js';
import { canonicalEmoji } from './emoji.js';
import { cleanBody } from './bodies.js';
import { hasVisibleText } from './invisible.js';

const [conversationId, messageId] = [newId(), newId()];
const send = (body: string, more: object = {}) =>
  calls['message.send'].input.safeParse({ conversationId, clientId: '1', body, ...more });
const edit = (body: string) => calls['message.edit'].input.safeParse({ messageId, body });

const invisible = [
  '\u200b',
  '\u00ad',
  '\u3164',
  '\uffa0',
  '\u115f\u1160',
  '\u202a\u202c',
  '\u2066\u2069',
  '\ufeff',
  '\u2060',
  '\u180e',
  '\u2800',
  '\u034f',
  '\ufe0f',
  '\u{e0041}\u{e007f}',
  '\u{1d159}',
  '\u{1d173}',
  '\u{13441}',
  '\ufffc',
  '\ufffe',
  '\ufdd0',
  '\u{1ffff}',
  '\ue000',
  '\u{f0000}',
  '\u{10fffd}',
  '\u0378',
  '\u{e0fff}',
  '\u17b4',
  '\u2065',
  '\u00a0\u3000',
  '\u2028',
  '\u0301\u0301',
  ' \n\t',
];

describe('a body', () => {
  it.each(invisible)('of nothing but %j is refused, except with an attachment', (body) => {
    expect(hasVisibleText(body)).toBe(false);
    expect([send(body).success, edit(body).success]).toEqual([false, false]);
    expect(send(body, { attachmentIds: [newId()] }).success).toBe(true);
    expect(send(`${body}a`).success).toBe(true);
  });

  it.each(['.', '你', '👍', '❤️', '1️⃣', 'ำ', 'a\u200bb', '\u{1fabf}'])('of %j has something visible', (body) => {
    expect(send(body).data?.body).toBe(body);
  });

  it.each(Array.from('\0\x01\x07\b\v\f\x1b\x1f\x7f\x80\x85\x9b'))(
    'with the control character %j is refused',
    (control) => {
      const body = `a${control}b`;
      expect([send(body).success, edit(body).success]).toEqual([false, false]);
      expect(send(body, { attachmentIds: [newId()] }).success).toBe(false);
    },
  );

  it.each(['\u202d', '\u202e'])('with the direction override %j is refused, and cleaned of it', (override) => {
    const body = `https://${override}example.localhost\u202c`;
    expect([send(body).success, edit(body).success]).toEqual([false, false]);
    expect(send(cleanBody(body)).data?.body).toBe('https://example.localhost\u202c');
  });

  it.each([
    '\u200e',
    '\u200f',
    '\u061c',
    '\u202a\u202c',
    '\u202b\u202c',
    '\u2066\u2069',
    '\u2067\u2069',
    '\u2068\u2069',
  ])('keeps the direction marks, embeddings and isolates that texts of two directions need: %j', (marks) => {
    const body = `שלום ${marks}world`;
    expect([send(body).data?.body, edit(body).data?.body, cleanBody(body)]).toEqual([body, body, body]);
  });

  it('keeps line feeds and tabs; CR LF becomes a line feed, a lone CR is refused', () => {
    expect(send('a\n\tb\r\n\r\nc').data?.body).toBe('a\n\tb\n\nc');
    expect(edit('a\r\nb').data?.body).toBe('a\nb');
    expect([send('a\rb').success, send('a\r\r\nb').success]).toEqual([false, false]);
  });

  it('is measured after line ends have been changed', () => {
    const { max } = limitBounds.bodyBytes;
    expect(send(`${'\r\n'.repeat(max - 2)}ab`).data?.body).toHaveLength(max);
    expect(send(`${'\n'.repeat(max - 1)}ab`).success).toBe(false);
  });

  it('that is cleaned is accepted', () => {
    expect(cleanBody('a\x07\fb\r\nc\rd\x1b[31m\te')).toBe('ab\nc\nd[31m\te');
  });
});

describe('a name, title or topic', () => {
  const title = (value: unknown) =>
    calls['conversation.update'].input.safeParse({ conversationId, title: value }).data?.title;
  const accepts = (value: string) => [
    calls['conversation.update'].input.safeParse({ conversationId, title: value }).success,
    calls['conversation.create'].input.safeParse({ kind: 'group', title: value }).success,
    calls['conversation.create'].input.safeParse({ kind: 'group', topic: value }).success,
    ...['displayName', 'firstName', 'lastName'].map(
      (field) => calls['user.update'].input.safeParse({ [field]: value }).success,
    ),
    calls['auth.guest'].input.safeParse({ displayName: value }).success,
    calls['auth.login'].input.safeParse({ username: 'anna', password: 'x', deviceName: value }).success,
    calls['bot.create'].input.safeParse({ username: 'anna', displayName: value }).success,
  ];
  const all = (value: boolean) => Array.from({ length: 9 }, () => value);

  it.each([
    ['ＡＮＮＡ', 'ANNA'],
    ['ﬁne ①', 'fine 1'],
    [' Zoe\u0308 ', 'Zoë'],
    ['José Müller', 'José Müller'],
    ['भारतीय', 'भारतीय'],
    ['می‌خواهم', 'می‌خواهم'],
    ['അനില്\u200d', 'അനില്\u200d'],
    ['শ্রী র\u200d্যাম', 'শ্রী র\u200d্যাম'],
    ['葛\u{e0100}城', '葛\u{e0100}城'],
    ['ᠮᠣᠩᠭᠣᠯ\u180e', 'ᠮᠣᠩᠭᠣᠯ\u180e'],
    ['❤️ ❤︎ ☎︎ 1️⃣', '❤️ ❤︎ ☎︎ 1️⃣'],
    ['🏳‍🌈', '🏳‍🌈'],
    ['José 🌟', 'José 🌟'],
    ['Anna (HR)', 'Anna (HR)'],
    ['👩🏽‍🚀 สมชาย 김철수 Лев Ἀθηνᾶ', '👩🏽‍🚀 สมชาย 김철수 Лев Ἀθηνᾶ'],
    ['👩‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿', '👩‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿'],
    [`a${'\u0335'.repeat(4)}`, `a${'\u0335'.repeat(4)}`],
  ])('%j is stored as %j', (given, stored) => {
    expect(title(given)).toBe(stored);
    expect(accepts(given)).toEqual(all(true));
  });

  it.each([
    ...invisible.filter((text) => text.trim() !== ''),
    // White space and accents may stand among letters.
    ...invisible.filter((text) => !/^[\s\u0301]*$/u.test(text)).map((text) => `a${text}b`),
    'a\u200db',
    'a\u200cb',
    'а\u200db',
    'a\ufe0f',
    'a\u{e0100}',
    '1\ufe0f',
    '你\u200d好',
    'ع\u200d\u200d',
    'a\nb',
    'a\rb',
    'a\u2028b',
    'a\u2029b',
    'a\u0085b',
    'a\tb',
    'a\x07b',
    'a\x9bb',
    'a\0b',
    'a\u202eb',
    'a\u200fb',
    'a\u061cb',
    'a\u2067b\u2069',
    'a\u{e0041}b',
    'a\u{e0001}\u{e007f}',
    '🏴󠁧󠁢󠁸󠁿',
    '👍\u{e0067}\u{e007f}',
    `a${'\u0335'.repeat(5)}`,
    `a${'\u0335\u200d'.repeat(5)}`,
    `e${'\u0301'.repeat(6)}`,
    'a\ud800',
  ])('%j is refused', (given) => {
    expect(accepts(given)).toEqual(all(false));
  });

  it('is cleared by null and an empty text where it may be absent', () => {
    for (const empty of [null, '']) {
      const conversation = { title: empty, topic: empty, color: empty };
      expect(calls['conversation.update'].input.parse({ conversationId, ...conversation })).toMatchObject(conversation);
      const profile = { email: empty, firstName: empty, lastName: empty, avatarId: empty };
      expect(calls['user.update'].input.parse(profile)).toEqual(profile);
      for (const field of ['displayName', 'username'])
        expect(calls['user.update'].input.safeParse({ [field]: empty }).success).toBe(false);
    }
  });

  it('is folded for usernames, also to log in', () => {
    const credentials = { username: 'Ａnna.Ｂ', password: 'correct horse' };
    expect(calls['auth.register'].input.parse(credentials).username).toBe('anna.b');
    expect(calls['auth.login'].input.parse(credentials).username).toBe('anna.b');
  });
});

describe('an identifier that a client chooses', () => {
  const accepts = (value: string) => [
    calls['message.send'].input.safeParse({ conversationId, clientId: value, body: 'a' }).success,
    calls['drawing.draw'].input.safeParse({
      conversationId,
      line: { id: value, color: '#000000', width: 1, points: [0, 0] },
    }).success,
    calls.sync.input.safeParse({ epoch: value, cursors: {} }).success,
    calls['auth.guest'].input.safeParse({ deviceName: value }).success,
    calls['auth.login'].input.safeParse({ username: 'anna', password: 'x', deviceName: value }).success,
    calls['auth.register'].input.safeParse({ username: 'anna', password: 'x'.repeat(10), deviceName: value }).success,
  ];

  it.each([
    ...invisible.filter((text) => !/^[\s\u0301]*$/u.test(text)).map((text) => `a${text}b`),
    ...['\0', '\x07', '\n', '\x1b[31m', '\x7f', '\x9b', '\u2028', '\u202e', '\u200f', '\u061c', '\u2067', '\ud800'].map(
      (text) => `a${text}b`,
    ),
  ])('is refused with control, direction and invisible characters: %j', (value) => {
    expect(accepts(value)).toEqual([false, false, false, false, false, false]);
    expect(
      calls['webhook.create'].input.safeParse({ conversationId, url: 'https://a.example', events: [value] }).success,
    ).toBe(false);
  });

  it.each(['1', 'c-1.2_3:4', 'é 漢', '👍', newId()])('is accepted otherwise: %s', (value) => {
    expect(accepts(value)).toEqual([true, true, true, true, true, true]);
  });
});

describe('an emoji', () => {
  it.each([
    ['👍', '👍', '👍\ufe0f', '👍\ufe0e'],
    ['❤️', '❤', '❤\ufe0f', '❤\ufe0e'],
    ['©️', '©'],
    ['🏳️‍🌈', '🏳‍🌈', '🏳️‍🌈️'],
    ['🏴‍☠️', '🏴‍☠'],
    ['🏽', '🏽'],
    ['1️⃣', '1⃣'],
    ['☝🏽', '☝️🏽'],
    ['🕵️‍♂️', '🕵‍♂', '🕵️‍♂', '🕵‍♂️'],
    ['🕵🏽‍♂️', '🕵🏽‍♂'],
    ['👩‍❤️‍💋‍👨', '👩‍❤‍💋‍👨'],
    ['🇩🇪', '🇩🇪'],
    ['🏴󠁧󠁢󠁥󠁮󠁧󠁿', '🏴󠁧󠁢󠁥󠁮󠁧󠁿'],
  ])('has one spelling: %s', (canonical, ...spellings) => {
    for (const spelling of [canonical, ...spellings]) expect(canonicalEmoji(spelling)).toBe(canonical);
    const input = { messageId, emoji: spellings[0] };
    expect(calls['reaction.add'].input.parse(input).emoji).toBe(canonical);
    expect(calls['reaction.remove'].input.parse(input).emoji).toBe(canonical);
  });

  it.each(['a', '1', '#', '👍👍', '👍 ', '🇩', '🇽🇽', '👍‍👍', '‍', '\ufe0f', '🏴󠁧󠁢󠁸󠁿', '👍\u0301', '👍\u200b', 'é'])(
    'that is not recommended for interchange is refused: %j',
    (text) => {
      expect(calls['reaction.add'].input.safeParse({ messageId, emoji: text }).success).toBe(false);
    },
  );
});

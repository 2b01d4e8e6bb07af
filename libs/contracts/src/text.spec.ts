import { describe, expect, it } from 'vitest';
import { calls } from './calls.js';
import { newId } from './ids.js';
import { canonicalEmoji, cleanBody, hasVisibleText } from './text.js';

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
  '\u202e',
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

  it.each(['.', '你', '👍', '❤️', '1️⃣', '\ue000', 'ำ', 'a\u200bb', '\u{1fabf}'])(
    'of %j has something visible',
    (body) => {
      expect(send(body).data?.body).toBe(body);
    },
  );

  it.each(Array.from('\0\x01\x07\b\v\f\x1b\x1f\x7f\x80\x85\x9b'))(
    'with the control character %j is refused',
    (control) => {
      const body = `a${control}b`;
      expect([send(body).success, edit(body).success]).toEqual([false, false]);
      expect(send(body, { attachmentIds: [newId()] }).success).toBe(false);
    },
  );

  it('keeps line feeds and tabs; CR LF becomes a line feed, a lone CR is refused', () => {
    expect(send('a\n\tb\r\n\r\nc').data?.body).toBe('a\n\tb\n\nc');
    expect(edit('a\r\nb').data?.body).toBe('a\nb');
    expect([send('a\rb').success, send('a\r\r\nb').success]).toEqual([false, false]);
  });

  it('is measured after line ends have been changed', () => {
    expect(send('\r\n'.repeat(4095) + 'ab').data?.body).toHaveLength(4097);
    expect(send('\n'.repeat(8191) + 'ab').success).toBe(false);
  });

  it('that is cleaned is accepted', () => {
    expect(cleanBody('a\x07\fb\r\nc\rd\x1b[31m\te')).toBe('ab\nc\nd[31m\te');
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

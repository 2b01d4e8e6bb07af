import { describe, expect, it } from 'vitest';
import { partsOf } from './bodies.js';

/** The longest username of every mention. */
const named = (body: string): string[] =>
  partsOf(body).flatMap((part) => (part.kind === 'mention' ? [part.usernames[0]!] : []));
/** The mentions, when only these usernames exist. */
const meant = (body: string, ...existing: string[]): (string | undefined)[] =>
  partsOf(body).flatMap((part) =>
    part.kind === 'mention' ? [part.usernames.find((name) => existing.includes(name))] : [],
  );

describe('the mentions of a body', () => {
  it.each<[string, string[]]>([
    ['hello', []],
    ['@anna', ['anna']],
    ['hi @Anna, @ben!', ['anna', 'ben']],
    ['(@anna) "@ben"', ['anna', 'ben']],
    ['line\n@anna', ['anna']],
    ['@an @a. @--', []],
    [`@${'a'.repeat(32)}`, ['a'.repeat(32)]],
    [`@${'a'.repeat(33)}`, []],
    ['@x_1-y.z', ['x_1-y.z']],
    ['@anna:hi, cc:@ben', ['anna', 'ben']],
    ['@anna/@ben', ['anna', 'ben']],
    ['Hotel:@anna To:@ben 1:@cleo x-tel:@dora 你好:@emil', ['anna', 'ben', 'cleo', 'dora', 'emil']],
    ['mailto: @anna, /@ben', ['anna', 'ben']],
    ['👍@anna ❤️@ben', ['anna', 'ben']],
  ])('of %j are %j', (body, names) => {
    expect(named(body)).toEqual(names);
  });

  it.each([
    '你好@anna',
    '你好@anna你好',
    'こんにちは@anna',
    'カタカナー@annaさん',
    '안녕@anna에게',
    'สวัสดี@anna',
    '，@anna。',
    '＠anna',
    '﹫anna',
    '*@anna*',
    '**@anna**',
    '~~@anna~~',
    '> @anna',
    '- @anna',
    '[@anna](https://example.org)',
    '[site](https://example.org)@anna',
    '(https://example.org)@anna',
    '.@anna',
    '@anna’s',
    "@anna's",
    '…@anna…',
    '\u200f@anna',
    'https://example.org @anna',
    'https://example.org，@anna',
    '`code` @anna `code`',
    'it`s @anna',
    '\\`@anna`',
    '`a\n\n@anna`',
    '```\ncode\n```\n@anna',
    '```\ncode``` @anna',
    '~~~\ncode\n~~~\n@anna',
    '``` ` ``` @anna',
  ])('are found in %j', (body) => {
    expect(meant(body, 'anna')).toEqual(['anna']);
  });

  it('are found between signs of markup that usernames may contain', () => {
    for (const body of ['_@anna_', '__@anna__', '@anna.', '@anna...', '@anna-', '(@anna).', '@anna_.-'])
      expect(meant(body, 'anna')).toEqual(['anna']);
  });

  it('mean the longest username that exists', () => {
    expect(meant('@anna_.', 'anna', 'anna_')).toEqual(['anna_']);
    expect(meant('@anna_.', 'anna')).toEqual(['anna']);
    expect(meant('@anna.b', 'anna')).toEqual([undefined]);
    expect(partsOf('ask @anna.-.')).toEqual([
      { kind: 'mention', index: 4, end: 12, usernames: ['anna.-.', 'anna.-', 'anna.', 'anna'] },
    ]);
  });

  it.each([
    'anna@anna.com',
    'é@anna',
    'ü_@anna',
    'а@anna',
    'e\u0301@anna',
    'a\u200b@anna',
    '1@anna',
    'a.@anna',
    'a-@anna',
    'a+@anna',
    '@@anna',
    '＠@anna',
    '@annaж',
    '@annaé',
    '@anna@example.org',
    'https://www.youtube.com/@anna',
    'https://example.org/?u=@anna',
    'https://example.org/a,@anna',
    'https://x.test/(@anna)',
    'HTTPS://EXAMPLE.ORG/@ANNA',
    'ftp://@anna/',
    'matrix://x/@anna',
    'www.youtube.com/@anna',
    'youtube.com/@anna',
    'youtube.com/c?u=@anna',
    'пример.рф/x?@anna',
    'localhost:3000/@anna',
    'src/@anna',
    'mailto:@anna',
    '(MAILTO:@anna)',
    'tel:@anna',
    'acct:@anna',
    'javascript:@anna',
    'view-source:@anna',
    'https:@anna',
    'https:/@anna',
    'https:/\u200d/@anna',
    'user:pass@anna',
    'mailto:x@anna',
    'git@anna:parley.git',
    '//@anna',
    'see //@anna/parley',
    'a//@anna',
    'npm i @anna/core',
    '"@anna/core"',
    '`@anna`',
    '``@anna ` ``',
    '`a\n@anna`',
    '```@anna```',
    '```\n@anna\n```',
    '```\n\n@anna\n\n```',
    '```ts\n@anna\n```',
    '```ts @anna\n```',
    '````\n```\n@anna\n````',
    '~~~\n@anna\n~~~',
    '~~~ `\n@anna',
    '```\n@anna',
    'see ```\n\n@anna\n``` there',
    'see ```\n@anna\n```',
    '> ```\n> @anna\n> ```',
    '\\\\`@anna`',
  ])('are not found in %j', (body) => {
    expect(named(body)).toEqual([]);
  });

  it('never overlap the addresses of the body, which are parts too', () => {
    expect(partsOf('看https://a.example/@anna，(https://b.example/x_(y)) @ben')).toEqual([
      { kind: 'url', index: 1, end: 24 },
      { kind: 'url', index: 26, end: 49 },
      { kind: 'mention', index: 51, end: 55, usernames: ['ben'] },
    ]);
  });

  it('have no more readings than a username has lengths, however long the word is', () => {
    const [part] = partsOf(`@${'.'.repeat(8000)}`);
    expect(part).toMatchObject({ usernames: Array.from({ length: 30 }, (_, n) => '.'.repeat(32 - n)) });
  });

  const fill = (text: string) => text.repeat(2 ** 19 / text.length);
  const ascending = (before: string, sign: string) =>
    Array.from({ length: 1000 }, (_, n) => `${before}${sign.repeat(n + 1)} `).join('');
  // Half a mebibyte takes milliseconds; if the time grew with the square of the length, the test would time out.
  it.each([
    ['at signs', fill('@'), 0],
    ['dots after an at sign', `@${fill('.')}`, 1],
    ['names', fill('@a.'), 0],
    ['marks before an at sign', `${fill('\u0301')}@anna`, 1],
    ['signs that join words', fill('a.-_+'), 0],
    ['backticks', fill('`'), 0],
    ['single backticks', fill('` '), 0],
    ['backticks of every length', ascending('', '`'), 0],
    ['opened fences', fill('```x\n'), 0],
    ['fences of every length', ascending('\nx', '`'), 0],
    ['opened fences of every length', ascending('x\n', '```'), 0],
    ['fences of tildes', fill('~~~x\n'), 0],
    ['empty lines', fill('\n'), 0],
    ['spaces in lines', `\`${fill('\n    ')}`, 0],
    ['backslashes', fill('\\\\`'), 0],
    ['letters', fill('a'), 0],
    ['hosts', fill('a.'), 0],
    ['labels', fill(`${'a'.repeat(63)}.`), 0],
    ['schemes', fill('a://'), 1],
    ['addresses', fill('https://a/@b '), 40_329],
    ['brackets in an address', `https://${fill('(')}`, 1],
    ['slashes', fill('@anna/'), 87_381],
  ])('are found in linear time among %s', (_, body, parts) => {
    expect(partsOf(body)).toHaveLength(parts);
  });
});

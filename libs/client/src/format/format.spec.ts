import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatBody, linksIn, type Block, type Inline } from '../format.js';

/** The result in a short notation: `<b>bold</b>`, one line for each block. */
const inlines = (parts: readonly Inline[]): string =>
  parts
    .map((part) => {
      switch (part.kind) {
        case 'text':
          return part.text;
        case 'code':
          return `<c>${part.text}</c>`;
        case 'mention':
          return `<@${part.username}>`;
        case 'link':
          return `<a ${part.href}>${inlines(part.children)}</a>`;
        case 'bold':
        case 'italic':
        case 'strike': {
          const name = { bold: 'b', italic: 'i', strike: 's' }[part.kind];
          return `<${name}>${inlines(part.children)}</${name}>`;
        }
      }
    })
    .join('');
const block = (part: Block): string => {
  switch (part.kind) {
    case 'paragraph':
      return inlines(part.children);
    case 'code':
      return `<pre ${part.language ?? ''}>${part.text}</pre>`;
    case 'quote':
      return `<q>${part.children.map(block).join('|')}</q>`;
    case 'list':
      return `<l ${part.start ?? '-'}>${part.items.map((item) => item.map(block).join('|')).join('; ')}</l>`;
  }
};
const format = (body: string, names: readonly string[] = []): string => formatBody(body, names).map(block).join('¶');

describe('a body', () => {
  it.each([
    [
      '**bold** and *italic*, _italic_, __bold__, ~~gone~~',
      '<b>bold</b> and <i>italic</i>, <i>italic</i>, <b>bold</b>, <s>gone</s>',
    ],
    ['***both*** **_nested_**', '<b><i>both</i></b> <b><i>nested</i></b>'],
    ['**a *b* c**', '<b>a <i>b</i> c</b>'],
    ['*a **b*', '<i>a **b</i>'],
    ['你好**粗**吗', '你好<b>粗</b>吗'],
    ['2*3*4, snake_case_name, a * b * c, **, * *', '2*3*4, snake_case_name, a * b * c, **, * *'],
    [String.raw`\*no\* \_no\_`, '*no* _no_'],
    ['`a*b*` and ``c`d``', '<c>a*b*</c> and <c>c`d</c>'],
    ['first\nsecond\n\nthird', 'first\nsecond\n\nthird'],
    [
      '[label](https://a.example/x) [no](javascript:alert(1))',
      '<a https://a.example/x>label</a> [no](javascript:alert(1))',
    ],
    ['*https://a.example/x*', '<i><a https://a.example/x>https://a.example/x</a></i>'],
    [
      '[https://bank.example](https://evil.example)',
      '[<a https://bank.example/>https://bank.example</a>](https://evil.example)',
    ],
  ])('formats within lines: %s', (body, expected) => {
    expect(format(body)).toBe(expected);
  });

  it.each([
    ['> quoted\n> **more**\nmine', '<q>quoted\n<b>more</b></q>¶mine'],
    ['> > twice', '<q><q>twice</q></q>'],
    ['>_< is a face', '>_< is a face'],
    ['- one\n- two\n  - inner\n- three', '<l ->one; two|<l ->inner</l>; three</l>'],
    ['3. three\n4) four', '<l 3>three; four</l>'],
    ['-1 is a number, 1.5 too', '-1 is a number, 1.5 too'],
    ['look:\n```js\nconst a = "*b*";\n```\ndone', 'look:¶<pre js>const a = "*b*";</pre>¶done'],
    ['look: ```\ncode\n``` done', 'look: ¶<pre >code</pre>¶ done'],
    ['~~~\nnot closed', '<pre >not closed</pre>'],
    ['# no heading\n<b>no HTML</b>\n| no | table |', '# no heading\n<b>no HTML</b>\n| no | table |'],
  ])('formats lines: %s', (body, expected) => {
    expect(format(body)).toBe(expected);
  });

  it('mentions the given people only, by the rules of the server', () => {
    expect(format('_@ann_ **@ben.x.** `@ann` me@ann.example @cem', ['ann', 'ben.x'])).toBe(
      '<i><@ann></i> <b><@ben.x>.</b> <c>@ann</c> <a mailto:me@ann.example>me@ann.example</a> @cem',
    );
  });

  it('nests emphasis, quotes and lists to a limit', () => {
    const depth = (value: unknown): number =>
      typeof value !== 'object' || value === null ? 0 : 1 + Math.max(0, ...Object.values(value).map(depth));
    for (const body of [
      `${'*_'.repeat(4000)}a${'_*'.repeat(4000)}`,
      `${'**__~~'.repeat(1000)}a${'~~__**'.repeat(1000)}`,
      `${'> '.repeat(4000)}a`,
      `${'- '.repeat(4000)}a`,
      Array.from({ length: 100 }, (_, n) => `${'  '.repeat(n)}- a`).join('\n'),
    ])
      expect(depth(formatBody(body))).toBeLessThan(60);
  });

  it('keeps every letter, in their order', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom(
        '**',
        '*',
        '_',
        '~~',
        '`',
        '```',
        '\n',
        '\n> ',
        '\n- ',
        '\n1. ',
        '[a](https://b.example)',
        '\\',
        ' ',
        '@ann',
      ),
    );
    const characters = (text: string) => text.replaceAll(/[^\p{L}]/gu, '');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const body = pieces.join('').replaceAll('[a](https://b.example)', '');
        const formatted = formatBody(body, ['ann']);
        const kept: string[] = [];
        const walk = (value: unknown): void => {
          if (Array.isArray(value)) value.forEach(walk);
          else if (typeof value === 'object' && value !== null) {
            const part = value as { text?: string; language?: string; children?: unknown; items?: unknown };
            if (part.language !== undefined) kept.push(part.language);
            if (part.text !== undefined) kept.push(part.text);
            walk(part.children);
            walk(part.items);
          }
        };
        walk(formatted);
        expect(characters(kept.join('')).toLowerCase()).toBe(characters(body).toLowerCase());
      }),
    );
  });
});

describe('the links of a text', () => {
  const links = (text: string): string[] => linksIn(text).map(({ href }) => href);

  it.each([
    [
      'see https://a.example/x?y=1#z, (http://b.example/wiki/A_(b)) or (https://c.example).',
      ['https://a.example/x?y=1#z', 'http://b.example/wiki/A_(b)', 'https://c.example/'],
    ],
    ['请看https://a.example/路径。谢谢', ['https://a.example/%E8%B7%AF%E5%BE%84']],
    ['「https://a.example」、（http://b.example/）！', ['https://a.example/', 'http://b.example/']],
    [
      '→https://a.example, "https://b.example", [https://c.example], *https://d.example*',
      ['https://a.example/', 'https://b.example/', 'https://c.example/', 'https://d.example/'],
    ],
    [
      'www.a.example, 看www.b.example/x，and www.c.example.',
      ['https://www.a.example/', 'https://www.b.example/x', 'https://www.c.example/'],
    ],
    ['write to ann.b+c@mail.example.', ['mailto:ann.b+c@mail.example']],
  ])('are found in %s', (text, expected) => {
    expect(links(text)).toEqual(expected);
  });

  it.each([
    'javascript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'https:javascript',
    'xhttps://a.example',
    'https://user:secret@evil.example/',
    'https://bank.example@evil.example',
    'file:///etc/passwd',
    'https://',
    'xwww.a.example',
    'a@b@c.example',
    '@ann/core.example',
  ])('are none in %s', (text) => {
    expect(links(text)).toEqual([]);
  });

  it('are http, https and mailto only, in any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.webUrl(), (noise, url) => {
        for (const href of links(`${noise} ${url} ${noise}`)) expect(href).toMatch(/^(?:https?:\/\/|mailto:)/);
      }),
      { numRuns: 30 },
    );
  });
});

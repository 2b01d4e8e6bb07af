import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tokenize } from './tokens.ts';

const links = (body: string) =>
  tokenize(body)
    .filter(({ kind }) => kind === 'link')
    .map((token) => (token.kind === 'link' ? token.href : ''));

describe('the tokens of a body', () => {
  it('keep every character', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom('https://a.example/', '@ann', ' ', '(', ').', '<b>', 'javascript:', 'http://'),
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const body = pieces.join('');
        expect(
          tokenize(body, ['ann'])
            .map(({ text }) => text)
            .join(''),
        ).toBe(body);
      }),
    );
  });

  it('have links without the punctuation around them', () => {
    expect(links('see https://a.example/x?y=1#z, (http://b.example/wiki/A_(b)) or (https://c.example).')).toEqual([
      'https://a.example/x?y=1#z',
      'http://b.example/wiki/A_(b)',
      'https://c.example/',
    ]);
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
  ])('have no link in %s', (body) => {
    expect(links(body)).toEqual([]);
  });

  it('have http and https links only, in any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.webUrl(), (noise, url) => {
        for (const href of links(`${noise} ${url} ${noise}`)) expect(href).toMatch(/^https?:\/\//);
      }),
      { numRuns: 30 },
    );
  });

  it('have mentions of the given usernames only, the longest that fits', () => {
    const mentions = (body: string) => tokenize(body, ['ann', 'ben.x']).filter(({ kind }) => kind === 'mention');
    expect(mentions('_@ann_ and 你好＠Ben.x., not me@ann.example, `@ann` or @ann.a')).toEqual([
      { kind: 'mention', text: '@ann', name: 'ann' },
      { kind: 'mention', text: '＠Ben.x', name: 'ben.x' },
    ]);
  });
});

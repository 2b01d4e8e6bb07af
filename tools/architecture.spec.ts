import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const root = new URL('..', import.meta.url);

describe.each([
  ['ARCHITECTURE.md', 20],
  ['docs/glossary.md', 60],
])('%s', (document, least) => {
  const text = readFileSync(new URL(document, root), 'utf8');
  const symbols = [...text.matchAll(/`([\w./-]+\.tsx?):(\w+)`/g)].map(([, file, symbol]) => ({
    file: file!,
    symbol: symbol!,
  }));

  it(`names more than ${least} symbols`, () => {
    expect(symbols.length).toBeGreaterThan(least);
  });

  it.each(symbols)('names $symbol, which $file contains', ({ file, symbol }) => {
    expect(existsSync(new URL(file, root))).toBe(true);
    expect(readFileSync(new URL(file, root), 'utf8')).toMatch(new RegExp(`\\b${symbol}\\b`));
  });
});

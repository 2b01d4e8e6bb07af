import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const root = new URL('..', import.meta.url);
const text = readFileSync(new URL('ARCHITECTURE.md', root), 'utf8');
const places = [...text.matchAll(/`([\w./-]+\.tsx?):(\w+)`/g)].map(([, file, symbol]) => ({
  file: file!,
  symbol: symbol!,
}));

it('ARCHITECTURE.md names many symbols', () => {
  expect(places.length).toBeGreaterThan(20);
});

it.each(places)('ARCHITECTURE.md names $symbol, which $file contains', ({ file, symbol }) => {
  expect(existsSync(new URL(file, root))).toBe(true);
  expect(readFileSync(new URL(file, root), 'utf8')).toMatch(new RegExp(`\\b${symbol}\\b`));
});

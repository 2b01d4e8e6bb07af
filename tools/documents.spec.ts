import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const root = new URL('..', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

describe('docs/seeds.md', () => {
  const rows = read('docs/seeds.md').split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| ---') && !line.startsWith('| what'));
  /** A file, and the sentences that stand behind it before the next one. */
  const claims = rows.flatMap((row) => {
    const shown = row.split('|').at(-2)!;
    return [...shown.matchAll(/`([\w./-]+\.spec\.ts)`([^`]*)/g)].map(([, file, after]) => ({ file: file!, sentences: [...after!.matchAll(/\*([^*]+)\*/g)].map(([, sentence]) => sentence!) }));
  });

  it('says of every feature what shows it', () => {
    expect(rows.length).toBeGreaterThan(50);
    for (const row of rows) expect(row.split('|'), row).toHaveLength(5);
    expect(claims.length).toBeGreaterThan(rows.length - 10);
  });

  it.each(claims)('names $file, which is there and has its sentences', ({ file, sentences }) => {
    expect(existsSync(new URL(file, root))).toBe(true);
    for (const sentence of sentences) expect(read(file)).toContain(sentence);
  });
});

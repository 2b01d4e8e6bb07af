import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const root = new URL('..', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

describe.each([
  { document: 'docs/seeds.md', head: '| what', columns: 3, least: 50 },
  { document: 'docs/security.md', head: '| defended', columns: 2, least: 20 },
])('$document', ({ document, head, columns, least }) => {
  const rows = read(document).split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| ---') && !line.startsWith(head));
  /** A file, and the sentences that stand behind it before the next one. */
  const claims = rows.flatMap((row) => {
    const shown = row.split('|').at(-2)!;
    return [...shown.matchAll(/`([\w./-]+\.spec\.ts)`([^`]*)/g)].map(([, file, after]) => ({ file: file!, sentences: [...after!.matchAll(/\*([^*]+)\*/g)].map(([, sentence]) => sentence!) }));
  });

  it('says of every row what shows it', () => {
    expect(rows.length).toBeGreaterThan(least);
    for (const row of rows) expect(row.split('|'), row).toHaveLength(columns + 2);
    expect(claims.length).toBeGreaterThan(rows.length - 10);
  });

  it.each(claims)('names $file, which is there and has its sentences', ({ file, sentences }) => {
    expect(existsSync(new URL(file, root))).toBe(true);
    for (const sentence of sentences) expect(read(file)).toContain(sentence);
  });
});

import { existsSync, globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const root = new URL('..', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

describe.each([
  { document: 'docs/seeds.md', head: '| what', columns: 3, least: 50 },
  { document: 'docs/security.md', head: '| defended', columns: 2, least: 20 },
])('$document', ({ document, head, columns, least }) => {
  const rows = read(document)
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| ---') && !line.startsWith(head));
  /** A spec file, and the quoted test names that follow it. */
  const claims = rows.flatMap((row) => {
    const shown = row.split('|').at(-2)!;
    return [...shown.matchAll(/`([\w./-]+\.spec\.ts)`([^`]*)/g)].map(([, file, after]) => ({
      file: file!,
      sentences: [...after!.matchAll(/\*([^*]+)\*/g)].map(([, sentence]) => sentence!),
    }));
  });

  it('names a spec in every row', () => {
    expect(rows.length).toBeGreaterThan(least);
    for (const row of rows) expect(row.split('|'), row).toHaveLength(columns + 2);
    expect(claims.length).toBeGreaterThan(rows.length - 10);
  });

  it.each(claims)('names $file, which exists and has the quoted test names', ({ file, sentences }) => {
    expect(existsSync(new URL(file, root))).toBe(true);
    for (const sentence of sentences) expect(read(file)).toContain(sentence);
  });
});

/** Heading anchors as GitHub generates them. */
const anchorsOf = (text: string) =>
  [...text.replaceAll(/^```[^]*?^```/gm, '').matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

describe('links', () => {
  const documents = globSync(
    '{*.md,docs/**/*.md,examples/*.md,bench/*.md,apps/*/*.md,libs/*/*.md,{patches,deploy}/*.md}',
    { cwd: root.pathname, exclude: (path) => path.includes('node_modules') },
  );
  const links = documents
    .flatMap((document) =>
      [
        ...read(document)
          .replaceAll(/^```[^]*?^```/gm, '')
          .matchAll(/\]\(([^)\s]+)\)/g),
      ].map(([, link]) => ({ document, link: link! })),
    )
    .filter(({ link }) => !/^https?:|^mailto:/.test(link));

  it.each(links)('the target of $link in $document exists', ({ document, link }) => {
    const [path, anchor] = link.split('#') as [string, string | undefined];
    const target = path === '' ? new URL(document, root) : new URL(path, new URL(document, root));
    expect(existsSync(target)).toBe(true);
    expect(anchor === undefined || anchorsOf(readFileSync(target, 'utf8')).includes(anchor)).toBe(true);
  });
});

describe('documents', () => {
  const others = globSync('{*.md,docs/*.md}', { cwd: root.pathname });

  it.each(globSync('docs/*.md', { cwd: root.pathname }))('%s is linked from another document', (document) => {
    const linked = others.filter(
      (other) =>
        other !== document &&
        read(other).includes(`](${other.startsWith('docs/') ? '' : 'docs/'}${document.slice('docs/'.length)}`),
    );
    expect(linked).not.toEqual([]);
  });
});

describe('shell blocks', () => {
  /** Commands that need more than a clone and Node, or that take hours. */
  const others = /\bdocker\b|\bkubectl\b|npm test\b|npm run (faults|bench|lint)\b|--user \w+ --register +#/;
  const blocks = globSync('{*.md,docs/*.md,examples/*.md,bench/*.md}', { cwd: root.pathname }).flatMap((document) =>
    [...read(document).matchAll(/^ *```sh(.*)\n([^]*?)^ *```$/gm)].map(([, marks, script]) => ({
      document,
      marks: marks!.trim(),
      script: script!,
      first: script!.trim().split('\n')[0]!,
    })),
  );
  const typed =
    read('e2e/src/specs/documents/documents.e2e.spec.ts') + read('e2e/src/specs/documents/operators.e2e.spec.ts');

  it.each(blocks)(
    'of $document are run by a test, or need more than a clone and Node: $first',
    ({ document, marks, script }) => {
      expect(marks.startsWith('runnable')).toBe(!others.test(script));
      expect(marks === '' || typed.includes(`'${document}'`)).toBe(true);
    },
  );
});

describe('commands', () => {
  const scripts = Object.keys((JSON.parse(read('package.json')) as { scripts: object }).scripts);
  const named = globSync('{*.md,docs/**/*.md,examples/*.md,bench/*.md}', { cwd: root.pathname }).flatMap((document) =>
    [...read(document).matchAll(/npm run ([a-z][\w:-]*)/g)].map(([, script]) => ({ document, script: script! })),
  );

  it.each(named)('npm run $script, named in $document, exists', ({ script }) => {
    expect(scripts).toContain(script);
  });
});

describe('paths', () => {
  const named = globSync(
    '{*.md,docs/**/*.md,examples/*.md,bench/*.md,{patches,deploy}/*.md,apps/*/README.md,libs/*/README.md}',
    { cwd: root.pathname },
  ).flatMap((document) =>
    [
      ...read(document).matchAll(
        /`((?:apps|libs|tools|e2e|bench|docs|deploy|k8s|patches|examples)\/[\w./-]+\.\w+)[:`]/g,
      ),
    ].map(([, path]) => ({ document, path: path! })),
  );

  it.each(named)('$path, named in $document, exists', ({ path }) => {
    // Compiled files exist only after a build, so their sources are checked.
    const source = path.replace('/dist/', '/src/').replace(/\.js$/, '.ts');
    expect(existsSync(new URL(path, root)) || existsSync(new URL(source, root))).toBe(true);
  });
});

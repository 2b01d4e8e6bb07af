import { globSync, readFileSync } from 'node:fs';
import { parseAst } from 'vite';
import { describe, expect, it } from 'vitest';

const root = new URL('..', import.meta.url);

/** The parts of a node of the syntax tree that this spec reads. */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly declaration?:
    | (Node & { readonly id?: { readonly name: string } | null; readonly decorators?: readonly Node[] })
    | null;
  readonly declarations?: readonly { readonly id: { readonly name?: string } }[];
}

/** Whether a docstring ends right before an export and its decorators. */
function isDocumented(source: string, { start, declaration }: Node): boolean {
  const before = source.slice(0, declaration?.decorators?.[0]?.start ?? start).trimEnd();
  return before.endsWith('*/') && before.startsWith('/**', before.lastIndexOf('/*'));
}

const namesOf = ({ declaration }: Node): string[] =>
  declaration?.declarations?.map(({ id }) => id.name ?? 'a pattern') ?? [declaration?.id?.name ?? 'default'];

/**
 * The names that a source file declares and exports, without those that have a docstring. A value and a type of one name
 * share one, as do the overloads of a function. Re-exports are documented where they are declared.
 */
function undocumented(source: string, lang: 'ts' | 'tsx' = 'ts'): string[] {
  const { body } = parseAst(source, { lang }) as unknown as { readonly body: readonly Node[] };
  const exported = new Map<string, boolean>();
  for (const node of body) {
    if (!node.declaration) continue;
    for (const name of namesOf(node)) exported.set(name, exported.get(name) === true || isDocumented(source, node));
  }
  return [...exported].flatMap(([name, documented]) => (documented ? [] : [name]));
}

describe('the search for missing docstrings', () => {
  it.each([
    { source: 'export const a = 1;', missing: ['a'] },
    { source: '/** One. */\nexport const a = 1;\nexport const b = 2;', missing: ['b'] },
    { source: '/* One. */\nexport function a() {}', missing: ['a'] },
    { source: '// One.\nexport class A {}', missing: ['A'] },
    { source: '/** One. */\n\nexport class A {}', missing: [] },
    { source: '/** One. */\n@Injectable()\nexport class A {}', missing: [] },
    { source: '@Injectable()\nexport class A {}', missing: ['A'] },
    { source: 'export interface A {}\nexport type B = A;\nexport enum C {}', missing: ['A', 'B', 'C'] },
    { source: '/** One. */\nexport const A = z.object({});\nexport type A = z.infer<typeof A>;', missing: [] },
    { source: 'export default 1;', missing: ['default'] },
    { source: "const a = 1;\nexport { b } from './b.js';\nexport * from './c.js';", missing: [] },
  ])('finds $missing in $source', ({ source, missing }) => {
    expect(undocumented(source)).toEqual(missing);
  });
});

describe('the exports of libraries', () => {
  const files = globSync('libs/*/src/**/*.{ts,tsx}', { cwd: root.pathname }).filter(
    (file) => !/\.spec\.|\/spec\/|conformance/.test(file),
  );

  it.each(files.toSorted())('all have docstrings in %s', (file) => {
    const lang = file.endsWith('x') ? 'tsx' : 'ts';
    expect(undocumented(readFileSync(new URL(file, root), 'utf8'), lang)).toEqual([]);
  });
});

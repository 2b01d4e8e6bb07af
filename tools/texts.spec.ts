import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAst } from 'vite';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
/** Attributes that are read by people. */
const readAttributes = new Set(['aria-label', 'aria-valuetext', 'title', 'placeholder', 'alt', 'label', 'text']);
/** Names that are the same in all languages. */
const allowed = new Set(['Parley', 'OpenAPI', 'AsyncAPI']);

interface Node {
  readonly type: string;
  readonly start: number;
  readonly [key: string]: unknown;
}
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && 'type' in value;
const isText = (text: string) => /\p{L}{2}/u.test(text) && !allowed.has(text.trim());

/** The literals whose value an expression may have. */
function literalsOf(node: unknown): string[] {
  if (!isNode(node)) return [];
  switch (node.type) {
    case 'Literal':
      return typeof node['value'] === 'string' ? [node['value']] : [];
    case 'TemplateLiteral':
      return (node['quasis'] as { value: { cooked: string } }[]).map(({ value }) => value.cooked);
    case 'ConditionalExpression':
      return [node['consequent'], node['alternate']].flatMap(literalsOf);
    case 'LogicalExpression':
    case 'BinaryExpression':
      return [...(node['operator'] === '&&' ? [] : literalsOf(node['left'])), ...literalsOf(node['right'])];
    case 'JSXExpressionContainer':
    case 'ParenthesizedExpression':
      return literalsOf(node['expression']);
    default:
      return [];
  }
}

/** Texts in the code of a component that are not from a table. */
function textsIn(source: string): string[] {
  const found: string[] = [];
  const visit = (node: Node) => {
    if (node.type === 'JSXText') found.push(node['value'] as string);
    else if (node.type === 'JSXAttribute') {
      const name = (node['name'] as Node)['name'] as string;
      if (readAttributes.has(name)) found.push(...literalsOf(node['value']));
    } else if (node.type === 'JSXElement' || node.type === 'JSXFragment')
      for (const child of node['children'] as Node[])
        if (child.type === 'JSXExpressionContainer') found.push(...literalsOf(child));
    if (node.type === 'CallExpression' && (node['callee'] as Node)['name'] === 'toast')
      found.push(...(node['arguments'] as Node[]).flatMap(literalsOf));
    if (node.type === 'Property' && (node['key'] as Node)['name'] === 'label') found.push(...literalsOf(node['value']));
    for (const value of Object.values(node))
      for (const child of Array.isArray(value) ? (value as unknown[]) : [value]) if (isNode(child)) visit(child);
  };
  visit(parseAst(source, { lang: 'tsx' }) as unknown as Node);
  return found.filter(isText).map((text) => text.trim().replaceAll(/\s+/g, ' '));
}

const files = ['libs/react-ui/src', 'apps/web/src'].flatMap((folder) =>
  globSync(`${folder}/**/*.{ts,tsx}`, { cwd: root, exclude: (path) => path.endsWith('.spec.ts') }).filter(
    (path) => !path.includes('/strings/') && !path.endsWith('.spec.ts'),
  ),
);

it('every text of the screen is from a table of strings', () => {
  const found = files.flatMap((path) =>
    textsIn(readFileSync(join(root, path), 'utf8')).map((text) => `${path}: ${text}`),
  );
  expect(files.length).toBeGreaterThan(80);
  expect(found).toEqual([]);
});

it('a text in an element, in an attribute, or in a notice is found', () => {
  expect(
    textsIn(
      `<p title="Hint" className="wide">{ok ? \`Hello \${name}\` : strings.bye}<b>Good day</b></p>; toast('Done');`,
    ),
  ).toEqual(['Hello', 'Hint', 'Good day', 'Done']);
});

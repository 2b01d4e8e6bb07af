import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { bundle } from './spec/bundle.js';

/**
 * Calls and syntax that Node 18 or Safari 15.4 lacks. `lib: es2022` makes newer parts of ECMAScript type errors; that
 * of browsers, syntax, and globals of Node are ruled out here.
 */
const newer: Readonly<Record<string, RegExp>> = {
  'AbortSignal.any(signals)': /\bAbortSignal\.any\b/,
  'AbortSignal.timeout(1)': /\bAbortSignal\.timeout\b/,
  'new File([], name)': /\bnew File\b/,
  'URL.canParse(text)': /\bcanParse\b/,
  'Promise.withResolvers()': /\bwithResolvers\b/,
  'Promise.try(work)': /\bPromise\.try\b/,
  'Array.fromAsync(items)': /\bfromAsync\b/,
  'Object.groupBy(items, key)': /\bgroupBy\b/,
  'items.toSorted()': /\.to(?:Sorted|Reversed|Spliced)\b/,
  'items.with(0, item)': /\.with\(/,
  'set.union(other)': /\.(?:union|intersection|difference|isSubsetOf|isSupersetOf|isDisjointFrom)\(/,
  'text.toWellFormed()': /\b(?:to|is)WellFormed\b/,
  'requestIdleCallback(work)': /\brequestIdleCallback\b/,
  'for await (const chunk of stream) {}': /\bfor await\b/,
  'class A { static { work(); } }': /\bstatic ?\{/,
  'text.match(/(?<=a)b/)': /\(\?<[=!]/,
  'text.match(/[a--b]/v)': /\/[dgimsuy]*v[dgimsuy]*[,.;)]/,
  'using file = open()': /\busing \w+ ?=/,
};

it.each(Object.entries(newer))('the search for newer APIs finds %s', (code, pattern) => {
  expect(code).toMatch(pattern);
});

it.each([
  ['index.ts', ['socket.io-client']],
  ['react.ts', ['react']],
  ['node.ts', [/^node:/]],
])('%s needs nothing newer than Node 18 and Safari 15.4', async (entry, external) => {
  const code = await bundle(entry, external);
  expect(code.length).toBeGreaterThan(500);
  expect(Object.values(newer).filter((pattern) => pattern.test(code))).toEqual([]);
});

const read = async (name: string) =>
  JSON.parse(await readFile(new URL(`../${name}`, import.meta.url), 'utf8')) as {
    engines: unknown;
    compilerOptions: unknown;
  };

it('is compiled against ES2022, so that newer calls are type errors', async () => {
  expect((await read('tsconfig.json')).compilerOptions).toMatchObject({
    target: 'es2022',
    lib: ['es2022', 'dom', 'dom.iterable'],
  });
});

it('says in its package which Node it needs', async () => {
  expect((await read('package.json')).engines).toEqual({ node: '>=18' });
});

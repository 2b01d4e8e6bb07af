import { globSync, readFileSync } from 'node:fs';
import { scope } from '../../scope.mjs';
import postcss from 'postcss';
import { expect, it } from 'vitest';

it('styles apply below the class parley only', () => {
  const css = `
    :root { --s1: 4px } [data-theme='dusk'] { --bg: black } * { margin: 0 } .a, .b > button:hover { color: red }
    :root[data-density='compact'] { .message { padding: 0 } } .parley-x { color: red } .parley > .c { color: red }
    @media print { .d { color: red } } @keyframes parley-fade { from { opacity: 0 } }`;
  const selectors: string[] = [];
  postcss([scope])
    .process(css, { from: undefined })
    .root.walkRules(({ selectors: own }) => void selectors.push(...own));
  expect(selectors).toEqual([
    '.parley',
    ":where(.parley)[data-theme='dusk']",
    ":where(.parley) [data-theme='dusk']",
    '.parley *',
    '.parley .a',
    '.parley .b > button:hover',
    ".parley[data-density='compact']",
    '.message',
    '.parley .parley-x',
    '.parley > .c',
    '.parley .d',
    'from',
  ]);
});

it('the names of animations begin with parley, so that they are not those of a page around the components', () => {
  const folder = new URL('..', import.meta.url).pathname;
  const names = globSync('**/*.css', { cwd: folder }).flatMap((file) =>
    [...readFileSync(`${folder}/${file}`, 'utf8').matchAll(/@keyframes ([\w-]+)/g)].map(([, name]) => name!),
  );
  expect(names.length).toBeGreaterThan(0);
  expect(names.filter((name) => !name.startsWith('parley-'))).toEqual([]);
});

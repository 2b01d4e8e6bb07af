import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { closure } from './image.mjs';

const root = new URL('..', import.meta.url);
const { packages } = JSON.parse(readFileSync(new URL('package-lock.json', root), 'utf8')) as {
  packages: Parameters<typeof closure>[0];
};

describe.each(['gateway', 'auth', 'messages', 'history', 'presence', 'admin', 'standalone'])(
  'the image of %s',
  (app) => {
    const paths = closure(packages, app);

    it('holds the app, all that it depends on, and nothing twice', () => {
      expect(paths).toContain(`apps/${app}`);
      for (const name of Object.keys(packages[`apps/${app}`]!.dependencies ?? {}))
        expect(
          paths.some((path) => path.endsWith(`node_modules/${name}`)),
          name,
        ).toBe(true);
      expect(new Set(paths).size).toBe(paths.length);
    });

    it('holds no compiler and nothing that only tests use', () => {
      expect(
        paths.filter((path) =>
          /(^|\/)(typescript|vitest|nx|oxlint|kubernetes-models|socket\.io-client|libs\/testing)$/.test(path),
        ),
      ).toEqual([]);
    });
  },
);

it('a package with its own version of a dependency gets that version', () => {
  const tree = {
    'apps/x': { dependencies: { a: '1', b: '1' } },
    'node_modules/a': {},
    'node_modules/b': { dependencies: { a: '2' }, optionalDependencies: { elsewhere: '1' } },
    'node_modules/b/node_modules/a': { dependencies: { c: '1' } },
    'node_modules/c': {},
    'node_modules/unused': {},
  };
  expect(closure(tree, 'x')).toEqual([
    'apps/x',
    'node_modules/a',
    'node_modules/b',
    'node_modules/b/node_modules/a',
    'node_modules/c',
  ]);
  expect(() => closure({ 'apps/x': { dependencies: { lost: '1' } } }, 'x')).toThrow('apps/x needs lost');
});

it('the context of the images has every source file', () => {
  const text = readFileSync(new URL('.dockerignore', root), 'utf8');
  const left = text.split('\n').filter((line) => /^\*\*\/[^*]+$/.test(line));
  const names = new Set(left.map((line) => line.slice('**/'.length)));
  const sources = execFileSync('git', ['ls-files', '--', 'apps', 'libs', 'patches'], { cwd: root, encoding: 'utf8' });
  expect(names.size).toBeGreaterThan(0);
  expect(sources.split('\n').filter((path) => path.split('/').some((part) => names.has(part)))).toEqual([]);
});

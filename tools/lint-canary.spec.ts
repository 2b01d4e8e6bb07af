import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const canary = join(root, 'tools/lint-canary');

const nx = (...args: string[]): { status: number | null; output: string } => {
  const env = { ...process.env, NX_DAEMON: 'false', NO_COLOR: '1', FORCE_COLOR: '0' };
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, 'node_modules/nx/dist/bin/nx.js'), ...args],
    { cwd: root, env, encoding: 'utf8', timeout: 120_000 },
  );
  return { status, output: stdout + stderr };
};

/** `{file: {rule: count}}`, as the first line of each file of the canary promises. */
function promised(): Record<string, Record<string, number>> {
  const files = readdirSync(canary, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
  return Object.fromEntries(
    files.map((path) => {
      const line = readFileSync(join(canary, path), 'utf8').split('\n')[0] ?? '';
      return [
        path,
        Object.fromEntries([...line.matchAll(/([\w-]+) ×(\d+)/g)].map(([, rule, count]) => [rule, Number(count)])),
      ];
    }),
  );
}

/** The same, as the linter found it. */
function found(output: string): Record<string, Record<string, number>> {
  const counts: Record<string, Record<string, number>> = Object.fromEntries(
    Object.keys(promised()).map((path) => [path, {}]),
  );
  for (const [, path = '', rule = ''] of output.matchAll(/^(\S+\.ts):\d+:\d+: .*\[\w+\/\w+\(([\w-]+)\)\]$/gm)) {
    const file = (counts[path] ??= {});
    file[rule] = (file[rule] ?? 0) + 1;
  }
  return counts;
}

describe('lint', () => {
  it('refuses, through Nx, every rule that the canary breaks, and nothing that it may do', () => {
    const { status, output } = nx('run', 'lint-canary:canary');
    expect(status, output).toBe(1);
    expect(found(output)).toEqual(promised());
  }, 120_000);

  it('is run over every folder with code, the canary excepted', () => {
    const { output } = nx('show', 'projects', '--with-target', 'lint', '--json');
    const packages = ['libs', 'apps'].flatMap((folder) =>
      readdirSync(join(root, folder)).map((name) => `@parley/${name}`),
    );
    const json = output.split('\n').find((line) => line.startsWith('['));
    expect((JSON.parse(json ?? '[]') as string[]).toSorted()).toEqual(
      [...packages, '@parley/patches', 'bench', 'e2e', 'examples', 'tools'].toSorted(),
    );
  }, 120_000);

  it('is the same command in every package', () => {
    const commands = ['libs', 'apps'].flatMap((folder) =>
      readdirSync(join(root, folder)).map((name) => {
        const { scripts } = JSON.parse(readFileSync(join(root, folder, name, 'package.json'), 'utf8')) as {
          scripts: Record<string, string>;
        };
        return scripts.lint;
      }),
    );
    expect([...new Set(commands)]).toEqual([
      'oxfmt -c ../../.oxfmtrc.json --check . && oxlint -c ../../.oxlintrc.json --type-aware --deny-warnings .',
    ]);
  });
});

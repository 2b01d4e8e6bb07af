import { spawnSync } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Sample {
  readonly file: string;
  readonly code: string;
  /** How often the linter must report each rule. */
  readonly breaks: Readonly<Record<string, number>>;
}

/** Imports `names`, which is all that the rules about imports look at. */
const imports = (...names: string[]) => names.map((name, at) => `export * as m${at} from '${name}';`).join('\n');
const forbidden = (count: number) => ({ 'no-restricted-imports': count });

const samples: readonly Sample[] = [
  { file: 'libs/contracts/src/a.ts', code: imports('zod', './b.js', 'pino', '@parley/faults'), breaks: forbidden(2) },
  { file: 'libs/client/src/a.ts', code: imports('@parley/contracts', '@parley/service-kit'), breaks: forbidden(1) },
  { file: 'libs/service-kit/src/a.ts', code: imports('@parley/contracts', '@parley/broker'), breaks: forbidden(1) },
  {
    file: 'libs/store/src/a.ts',
    code: imports('pg', '@parley/chat', '@parley/broker', 'amqplib', 'ioredis'),
    breaks: forbidden(4),
  },
  {
    file: 'libs/broker/src/a.ts',
    code: imports('amqplib', 'amqplib/callback_api', '@parley/realtime', '@parley/auth', 'ioredis'),
    breaks: forbidden(3),
  },
  {
    file: 'libs/chat/src/a.ts',
    code: imports('@parley/store', '@parley/broker', '@parley/messages'),
    breaks: forbidden(2),
  },
  {
    file: 'libs/realtime/src/a.ts',
    code: imports('ioredis', '@parley/broker', '@parley/store', 'amqplib'),
    breaks: forbidden(2),
  },
  { file: 'libs/testing/src/a.ts', code: imports('pg', 'vitest', '@parley/gateway'), breaks: forbidden(1) },
  {
    file: 'apps/gateway/src/a.ts',
    code: imports('@parley/broker', '@parley/store', '@parley/chat', 'pg', 'ioredis', 'amqplib', '@parley/testing'),
    breaks: forbidden(6),
  },
  {
    file: 'apps/presence/src/a.ts',
    code: imports('ioredis', '@parley/store', '@mikro-orm/core'),
    breaks: forbidden(3),
  },
  {
    file: 'apps/messages/src/a.ts',
    code: imports(
      '@parley/chat',
      '@parley/history',
      '@parley/broker/src/rabbit/rabbit-broker.js',
      '@parley/broker/testing',
      'amqplib',
    ),
    breaks: forbidden(4),
  },
  { file: 'apps/web/src/a.tsx', code: imports('@parley/client', '@parley/store'), breaks: forbidden(1) },
  {
    file: 'apps/standalone/src/a.ts',
    code: imports('@parley/gateway', '@parley/history', 'ioredis'),
    breaks: forbidden(1),
  },
  {
    file: 'apps/messages/src/a.spec.ts',
    code: imports('vitest', 'amqplib', '@parley/testing', '@parley/broker/testing', '@parley/history'),
    breaks: forbidden(1),
  },
  {
    file: 'apps/messages/src/any.ts',
    code: `export function loose(value: any, kind: 'direct' | 'group'): number {
      if (value == kind) return 0;
      switch (kind) {
        case 'direct':
          return 2;
      }
      return 0;
    }`,
    breaks: { 'no-explicit-any': 1, 'switch-exhaustiveness-check': 1, eqeqeq: 1 },
  },
  {
    file: 'apps/messages/src/promises.ts',
    code: `const work = async (): Promise<boolean> => true;
    export function careless(): void {
      work();
      if (work()) [1].forEach(async () => void (await work()));
    }`,
    breaks: { 'no-floating-promises': 1, 'no-misused-promises': 2 },
  },
  {
    file: 'apps/messages/src/environment.ts',
    code: 'export const chatty = (): void => console.log(process.env.SECRET);',
    breaks: { 'no-process-env': 1, 'no-console': 1 },
  },
  { file: 'libs/service-kit/src/config.ts', code: 'export const variables = process.env;', breaks: {} },
  {
    file: 'apps/messages/src/skipped.spec.ts',
    code: `import { expect, it } from 'vitest';
    it.${'skip'}('is not run', () => expect(1).toBe(1));
    it.${'only'}('is run alone', () => expect(1).toBe(1));`,
    breaks: { 'no-disabled-tests': 1, 'no-focused-tests': 1 },
  },
  {
    file: 'apps/history/src/one.ts',
    code: `import type { Two } from './two.js';\nexport type One = Two[];`,
    breaks: { 'no-cycle': 1 },
  },
  {
    file: 'apps/history/src/two.ts',
    code: `import type { One } from './one.js';\nexport type Two = { one: One };`,
    breaks: { 'no-cycle': 1 },
  },
];

const reportsNothing = (output: string): boolean => !/problems?\b/.test(output);

/** Lints the samples as if they were files of the repository. */
function lint(): Map<string, Record<string, number>> {
  const folder = mkdtempSync(join(tmpdir(), 'lint-'));
  try {
    for (const { file, code } of samples) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), `${code}\n`);
    }
    const compilerOptions = { composite: false, declaration: false, noEmit: true, types: [] };
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ extends: join(root, 'tsconfig.base.json'), compilerOptions }),
    );
    const { stdout, stderr } = spawnSync(
      process.execPath,
      [
        join(root, 'node_modules/oxlint/bin/oxlint'),
        '-c',
        join(root, 'oxlint.config.ts'),
        '--type-aware',
        '-f',
        'unix',
        'apps',
        'libs',
      ],
      {
        cwd: folder,
        env: { ...process.env, OXLINT_TSGOLINT_PATH: join(root, 'node_modules/.bin/tsgolint') },
        encoding: 'utf8',
        timeout: 60_000,
      },
    );
    const counts = new Map<string, Record<string, number>>(samples.map(({ file }) => [file, {}]));
    for (const [, file = '', rule = ''] of stdout.matchAll(/^(\S+\.tsx?):\d+:\d+: .*\[\w+\/\w+\(([\w-]+)\)\]$/gm)) {
      const count = counts.get(file);
      if (!count) throw new Error(`${file} is no sample`);
      count[rule] = (count[rule] ?? 0) + 1;
    }
    if (reportsNothing(stdout)) throw new Error(`the linter did not run: ${stdout}${stderr}`);
    return counts;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('the linter', () => {
  const reported = lint();

  it.each(samples)('reports in $file exactly $breaks', ({ file, breaks }) => {
    expect(reported.get(file)).toEqual(breaks);
  });

  const packages = globSync('{libs/*,apps/*,patches,deploy}/package.json', { cwd: root }).map(dirname);
  const read = (path: string) =>
    JSON.parse(readFileSync(join(root, path), 'utf8')) as {
      scripts?: Record<string, string>;
      targets?: Record<string, { command: string }>;
    };
  const command = (up: string) =>
    `oxfmt -c ${up}.oxfmtrc.json --check . && oxlint -c ${up}oxlint.config.ts --type-aware --deny-warnings .`;

  it.each(packages)('and the formatter check all of %s', (name) => {
    expect(read(`${name}/package.json`).scripts?.['lint']).toBe(command('../'.repeat(name.split('/').length)));
  });

  it.each(['bench', 'e2e', 'examples', 'tools'])('and the formatter check all of %s', (name) => {
    expect(read(`${name}/project.json`).targets?.['lint']?.command).toBe(command('../'));
  });
});

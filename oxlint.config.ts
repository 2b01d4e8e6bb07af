/**
 * The linter's rules: correctness everywhere, and who may import what.
 *
 * Packages stand on floors; each may import only what stands below it. `tools/lint.spec.ts` breaks every rule once, to
 * show that the linter notices.
 */
import { defineConfig, type OxlintOverride } from 'oxlint';

/** What the production code of each package may import of the others. */
const floors: Readonly<Record<string, readonly string[]>> = {
  'libs/contracts': [],
  'libs/faults': [],
  patches: [],
  'libs/client': ['contracts'],
  'libs/service-kit': ['contracts'],
  'libs/store': ['contracts', 'faults', 'service-kit'],
  'libs/broker': ['contracts', 'faults', 'patches', 'service-kit'],
  'libs/chat': ['contracts', 'faults', 'service-kit', 'store'],
  'libs/realtime': ['broker', 'contracts', 'faults', 'service-kit'],
  'libs/testing': ['broker', 'client', 'contracts'],
  'libs/react-ui': ['client', 'contracts'],
  'apps/web': ['client', 'contracts', 'react-ui'],
  'apps/terminal': ['client', 'contracts'],
  'apps/gateway': ['broker', 'contracts', 'faults', 'patches', 'realtime', 'service-kit'],
  'apps/presence': ['broker', 'contracts', 'faults', 'realtime', 'service-kit'],
  'apps/auth': ['broker', 'chat', 'contracts', 'faults', 'realtime', 'service-kit', 'store'],
  'apps/messages': ['broker', 'chat', 'contracts', 'faults', 'realtime', 'service-kit', 'store'],
  'apps/history': ['broker', 'chat', 'contracts', 'faults', 'realtime', 'service-kit', 'store'],
};
/** These compose the services into one process, or look after all of them. */
const composers = ['apps/standalone', 'apps/admin'];
/** Programs that drive whole systems. */
const programs = ['e2e', 'bench', 'examples'];

/** Third parties with a single home. */
const vendors: readonly {
  readonly names: readonly string[];
  readonly homes: readonly string[];
  readonly message: string;
}[] = [
  { names: ['amqplib'], homes: ['libs/broker', 'libs/testing', 'patches'], message: 'Only libs/broker talks AMQP.' },
  { names: ['ioredis'], homes: ['libs/realtime', 'libs/testing'], message: 'Only libs/realtime talks to Redis.' },
  {
    names: ['pg', '@mikro-orm', '@electric-sql'],
    homes: ['libs/store', 'libs/chat', 'apps/auth', 'apps/messages', 'apps/history', 'libs/testing', ...composers],
    message: 'Only libs/store and the services with a schema of their own know the database.',
  },
  {
    names: ['vitest', 'testcontainers', '@parley/*/testing'],
    homes: ['libs/testing'],
    message: 'Test code is for specs.',
  },
];

type Group = { readonly group: string[]; readonly message: string };
const internals: Group = {
  group: ['@parley/*/src/**', '@parley/*/dist/**'],
  message: 'Import packages by what they export.',
};
const elsewhere = (home: string): Group[] =>
  vendors
    .filter(({ homes }) => !homes.includes(home))
    .map(({ names, message }) => ({ group: names.flatMap((name) => [name, `${name}/**`]), message }));
const restrict = (patterns: readonly Group[]) => ({ 'no-restricted-imports': ['error', { patterns }] as const });

const floorOf = ([home, below]: readonly [string, readonly string[]]): OxlintOverride => ({
  files: [`**/${home}/{src,worker}/**`],
  rules: restrict([
    internals,
    ...elsewhere(home),
    ...(home === 'libs/contracts'
      ? [{ group: ['*', '!zod', '!./*', '!../*'], message: 'Contracts depend on zod only.' }]
      : [
          {
            group: ['@parley/*', ...below.map((name) => `!@parley/${name}`)],
            message: `Dependencies point inwards: ${home} may import ${below.join(', ') || 'none of the other packages'}.`,
          },
        ]),
  ]),
});

export default defineConfig({
  plugins: ['eslint', 'typescript', 'unicorn', 'oxc', 'import', 'node', 'promise', 'vitest'],
  categories: { correctness: 'error' },
  rules: {
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': 'error',
    'typescript/no-explicit-any': 'error',
    'typescript/switch-exhaustiveness-check': 'error',
    'import/no-cycle': ['error', { ignoreTypes: false }],
    eqeqeq: 'error',
    'no-console': 'error',
    'node/no-process-env': 'error',
    'vitest/no-disabled-tests': 'error',
    'vitest/no-focused-tests': 'error',
    ...restrict([internals, ...elsewhere('')]),
    'promise/no-callback-in-promise': 'off',
    'vitest/expect-expect': 'off',
    'vitest/require-to-throw-message': 'off',
    'vitest/valid-expect': ['error', { maxArgs: 2 }],
    'typescript/restrict-template-expressions': 'off',
    'typescript/require-array-sort-compare': 'off',
    'typescript/unbound-method': 'off',
    'typescript/no-meaningless-void-operator': 'off',
  },
  ignorePatterns: ['**/dist/**', '**/node_modules/**'],
  overrides: [
    ...Object.entries(floors).map(floorOf),
    ...composers.map((home) => ({
      files: [`**/${home}/src/**`],
      rules: restrict([
        internals,
        ...elsewhere(home),
        { group: ['@parley/testing'], message: 'Test code is for specs.' },
      ]),
    })),
    {
      // A spec may drive its package's neighbours, on real servers; whole systems are for the programs.
      files: ['**/*.spec.ts', '**/*.conformance.ts', '**/src/spec/**', '**/conformance.ts'],
      rules: restrict([
        internals,
        {
          group: ['auth', 'messages', 'history', 'presence', 'gateway', 'standalone'].map((name) => `@parley/${name}`),
          message: 'A spec tests one service; whole systems are tested in e2e/.',
        },
      ]),
    },
    {
      files: [...composers.map((home) => `**/${home}/src/**/*.spec.ts`), ...programs.map((home) => `**/${home}/**`)],
      rules: restrict([internals]),
    },
    {
      files: [
        '**/libs/service-kit/src/config.ts',
        '**/libs/faults/src/armed.ts',
        '**/apps/terminal/src/environment.ts',
        '**/libs/testing/src/**',
        '**/src/spec/**',
        '**/*.spec.ts',
        '**/tools/*.mjs',
        ...programs.map((home) => `**/${home}/**`),
        '*.config.ts',
      ],
      rules: { 'node/no-process-env': 'off' },
    },
    {
      files: ['**/tools/*.mjs', '**/bench/**', '**/examples/**', '*.config.ts'],
      rules: { 'no-console': 'off', 'no-restricted-imports': 'off' },
    },
  ],
});

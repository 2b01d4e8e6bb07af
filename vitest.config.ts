import { defineConfig } from 'vitest/config';

// Specs import packages from their sources. Only processes that a spec starts run from dist.
const conditions = ['@parley/source', 'node'];
const resolve = { resolve: { conditions }, ssr: { resolve: { conditions } } };
const servers = './libs/testing/src/servers/global-setup.ts';
const browser = './e2e/src/web/setup.ts';
/** Tests with more rounds get more time. */
const timeFactor = Math.max(1, Number(process.env['ROUNDS'] ?? 1));
/** The slowest specs. `npm test` runs them; `SHORT=1`, the run for every change, leaves them out. */
const slow = [
  'e2e/src/specs/{documents/*,rules/{matrix,refusals},security/secrets}.e2e.spec.ts',
  'e2e/src/specs/reliability/{presence,gateways,crash,poison,pgbouncer}.e2e.spec.ts',
  'e2e/src/web/{docs-page,embedding,firefox,offline,sizes,sub-path}.e2e.spec.ts',
  'libs/{client,react-ui}/src/{package,examples}.int.spec.ts',
  'libs/{testing/src/servers/private-server,store/src/{pgbouncer,pglite/{pglite,full-disk}}}.int.spec.ts',
  'apps/{admin/src/{main,data/*},terminal/src/terminal,standalone/src/{embedded,full-disk}}.int.spec.ts',
];
const excluded = ['**/node_modules/**', '**/dist/**', ...(process.env['SHORT'] === undefined ? [] : slow)];

/**
 * Three groups, one after another: logic; single parts on real servers; whole systems. Specs do not affect each other,
 * so a worker keeps its loaded modules.
 */
export default defineConfig({
  ...resolve,
  test: {
    passWithNoTests: false,
    // A hanging spec must not hang the run.
    teardownTimeout: 30_000,
    projects: [
      {
        ...resolve,
        test: {
          name: 'unit',
          isolate: false,
          include: ['{libs,apps,patches,deploy,tools,bench}/**/*.spec.ts'],
          exclude: [...excluded, '**/*.int.spec.ts'],
          sequence: { groupOrder: 0 },
          maxWorkers: 2,
          testTimeout: 15_000 * timeFactor,
        },
      },
      {
        ...resolve,
        test: {
          name: 'int',
          isolate: false,
          include: ['{libs,apps,patches}/**/*.int.spec.ts'],
          exclude: excluded,
          globalSetup: servers,
          sequence: { groupOrder: 1 },
          maxWorkers: 2,
          testTimeout: 60_000 * timeFactor,
          hookTimeout: 60_000,
        },
      },
      {
        ...resolve,
        test: {
          name: 'e2e',
          isolate: false,
          include: ['e2e/**/*.e2e.spec.ts'],
          exclude: excluded,
          globalSetup: [servers, browser, './e2e/src/deployments/shared.ts'],
          sequence: { groupOrder: 2 },
          maxWorkers: 2,
          testTimeout: 180_000 * timeFactor,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});

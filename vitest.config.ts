import { defineConfig } from 'vitest/config';

// Packages are taken from their sources; only what a spec starts as a process of its own comes from dist.
const conditions = ['@parley/source', 'node'];
const resolve = { resolve: { conditions }, ssr: { resolve: { conditions } } };
const servers = './libs/testing/src/servers/global-setup.ts';
const browser = './libs/testing/src/browser/browser-setup.ts';
/** Random tests that go on for longer may take longer. */
const longer = Math.max(1, Number(process.env['ROUNDS'] ?? 1));
/** What takes longest: `npm test` runs it, a run for every change (`SHORT=1`) does not, or it would take more than a quarter of an hour on two slow cores. */
const long = [
  'e2e/src/specs/{documents/*,rules/{matrix,refusals},reliability/{presence,gateways,crash}}.e2e.spec.ts',
  'libs/{testing/src/servers/private-server,store/src/pglite}.int.spec.ts',
  'apps/{admin/src/places,terminal/src/terminal,standalone/src/embedded}.int.spec.ts',
];
const nowhere = ['**/node_modules/**', '**/dist/**', ...(process.env['SHORT'] === undefined ? [] : long)];

/** One run, three groups one after another: logic; single parts on real servers; whole systems. Specs leave nothing behind that another would notice, so a worker keeps what it loaded. */
export default defineConfig({
  ...resolve,
  test: {
    passWithNoTests: false,
    // A spec that waits for something is a failure long before this; what hangs must not hang the run.
    teardownTimeout: 30_000,
    projects: [
      {
        ...resolve,
        test: {
          name: 'unit',
          isolate: false,
          include: ['{libs,apps,patches,tools,bench}/**/*.spec.ts'],
          exclude: [...nowhere, '**/*.int.spec.ts'],
          sequence: { groupOrder: 0 },
          maxWorkers: 2,
          testTimeout: 15_000 * longer,
        },
      },
      {
        ...resolve,
        test: {
          name: 'int',
          isolate: false,
          include: ['{libs,apps,patches}/**/*.int.spec.ts'],
          exclude: nowhere,
          globalSetup: servers,
          sequence: { groupOrder: 1 },
          maxWorkers: 2,
          testTimeout: 60_000 * longer,
          hookTimeout: 60_000,
        },
      },
      {
        ...resolve,
        test: {
          name: 'e2e',
          isolate: false,
          include: ['e2e/**/*.e2e.spec.ts'],
          exclude: nowhere,
          globalSetup: [servers, browser, './e2e/src/deployments/shared.ts'],
          sequence: { groupOrder: 2 },
          maxWorkers: 2,
          testTimeout: 180_000 * longer,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});

import { defineConfig } from 'vitest/config';

export default defineConfig({
  ssr: { resolve: { conditions: ['@parley/source', 'node', 'import', 'module', 'default'] } },
  resolve: { conditions: ['@parley/source', 'node', 'import', 'module', 'default'] },
  test: { include: ['libs/**/src/**/*.spec.ts', 'apps/**/src/**/*.spec.ts'], exclude: ['**/node_modules/**', '**/dist/**'] },
});

// Runs before `npm pack`: adds to dist what only the package needs. Modules, with the few values of @parley/contracts that
// they use, and one file of styles are in dist/package, the element in dist/embed, types in dist/types, where a copy of
// those of @parley/contracts is, so that the package needs no other of this repository than the client.
import { execFileSync } from 'node:child_process';
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const types = join(here, 'dist/types');
const modules = join(here, '../../node_modules');
/** @param {readonly string[]} args */
const run = (...args) => execFileSync(process.execPath, args, { cwd: here, stdio: ['ignore', 'ignore', 'inherit'] });

run(join(modules, 'typescript/bin/tsc'), '-b');
for (const mode of ['production', 'package']) run(join(modules, 'vite/bin/vite.js'), 'build', '--mode', mode);
// What Vite makes of the entry that has styles only.
rmSync(join(here, 'dist/package/styles.js'), { force: true });

rmSync(types, { recursive: true, force: true });
const isOwn = (/** @type {string} */ file) => !/^(?:types|package|embed)\/|\.spec\.d\.ts$/.test(file);
for (const file of globSync('**/*.d.ts', { cwd: join(here, 'dist') }).filter(isOwn)) {
  const text = readFileSync(join(here, 'dist', file), 'utf8')
    .replaceAll("'@parley/contracts'", "'#contracts'")
    .replaceAll('"@parley/contracts"', '"#contracts"')
    .replaceAll(/((?:from |import\()['"]\.[^'"]*)\.tsx?(['"])/g, '$1.js$2');
  mkdirSync(dirname(join(types, file)), { recursive: true });
  writeFileSync(join(types, file), text);
}
// For compilers that want to know what an imported file of styles is.
writeFileSync(join(types, 'styles.d.ts'), 'export {};\n');
const contracts = join(here, '../contracts/dist');
cpSync(contracts, join(types, 'contracts'), {
  recursive: true,
  filter: (path) => path === contracts || (path.endsWith('.d.ts') && !path.endsWith('.spec.d.ts')),
});

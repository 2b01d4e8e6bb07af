// Runs before `npm pack`: adds to dist what only the package needs. A CommonJS build is in dist/cjs, beside a package.json
// that says so. The types of @parley/contracts are copied in, and its functions about bodies, which `format` calls, so that
// the package needs no other of this repository.
import { execFileSync } from 'node:child_process';
import { cpSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, 'dist');
const contracts = join(here, '../contracts/dist');
/** @param {readonly string[]} args */
const compile = (...args) =>
  execFileSync(process.execPath, [join(here, '../../node_modules/typescript/bin/tsc'), ...args], {
    cwd: here,
    stdio: 'inherit',
  });

compile('-b');
for (const added of ['cjs', 'contracts']) rmSync(join(dist, added), { recursive: true, force: true });
/** @param {string} folder */
const copyContracts = (folder) =>
  cpSync(contracts, join(folder, 'contracts'), {
    recursive: true,
    filter: (path) => path === contracts || (path.endsWith('.d.ts') && !path.endsWith('.spec.d.ts')),
  });
copyContracts(dist);
cpSync(join(contracts, 'bodies.js'), join(dist, 'contracts/bodies.js'));
compile('-p', 'tsconfig.cjs.json');
copyContracts(join(dist, 'cjs'));
const asCommonJs = ['--target', 'es2022', '--module', 'commonjs', '--moduleResolution', 'bundler'];
compile('../contracts/src/bodies.ts', '--ignoreConfig', '--outDir', 'dist/cjs/contracts', ...asCommonJs);
for (const file of globSync('{,cjs/}format/*.js', { cwd: dist })) {
  const path = join(dist, file);
  writeFileSync(path, readFileSync(path, 'utf8').replace(/(['"])@parley\/contracts\1/, "'../contracts/bodies.js'"));
}
writeFileSync(
  join(dist, 'cjs/package.json'),
  `${JSON.stringify({ type: 'commonjs', imports: { '#contracts': { types: './contracts/index.d.ts' } } })}\n`,
);

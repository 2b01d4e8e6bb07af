// node tools/bench.mjs <name> [options]: installs what is missing, builds, and runs a benchmark (bench/src/<name>.ts).
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { environment, Failure, main, prepare, root, run } from './prepare.mjs';

await main(async () => {
  const [name = '', ...args] = process.argv.slice(2);
  if (!/^[a-z-]+$/.test(name) || !existsSync(join(root, 'bench', 'src', `${name}.ts`))) throw new Failure('usage: node tools/bench.mjs send [options]');
  const node = await prepare();
  return run(node, [join(root, 'bench', 'dist', `${name}.js`), ...args], { env: environment(node) });
});

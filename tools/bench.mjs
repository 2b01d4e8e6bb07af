// npm run bench -- --scenario NAME [options]: installs what is missing, builds, and runs the benchmarks (bench/README.md).
import { join } from 'node:path';
import { environment, main, prepare, root, run } from './prepare.mjs';

await main(async () => {
  const node = await prepare();
  return run(node, [join(root, 'bench', 'dist', 'bench.js'), ...process.argv.slice(2)], { env: environment(node) });
});

// npm run bench -- --scenario NAME [options], npm run bench:calls: installs what is missing, builds, and runs the benchmarks (bench/README.md).
import { join } from 'node:path';
import { environment, main, prepare, root, run } from './prepare.mjs';

await main(async () => {
  const node = await prepare();
  const [first, ...rest] = process.argv.slice(2);
  const [program, args] = first === 'calls' ? ['socket-calls-program.js', rest] : ['bench.js', process.argv.slice(2)];
  return run(node, [join(root, 'bench', 'dist', program), ...args], { env: environment(node) });
});

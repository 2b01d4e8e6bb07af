// node tools/faults.mjs [options]: installs what is missing, builds, and breaks a cluster of its own in every way (e2e/src/faults/main.ts).
import { join } from 'node:path';
import { environment, main, prepare, root, run } from './prepare.mjs';

await main(async () => {
  const node = await prepare();
  return run(node, [join(root, 'e2e', 'dist', 'faults', 'main.js'), ...process.argv.slice(2)], { env: environment(node) });
});

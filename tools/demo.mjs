// npm run demo [-- --url URL …]: installs what is missing, builds, and runs the demo (e2e/src/programs/demo/main.ts).
import { join } from 'node:path';
import { environment, main, prepare, root, run } from './prepare.mjs';

await main(async () => {
  const node = await prepare();
  return run(node, [join(root, 'e2e', 'dist', 'programs', 'demo', 'main.js'), ...process.argv.slice(2)], {
    env: environment(node),
  });
});

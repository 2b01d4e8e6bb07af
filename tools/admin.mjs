// npm run admin -- COMMAND [options]: installs what is missing, builds, and runs the operator's commands (apps/admin).
import { join } from 'node:path';
import { environment, main, prepare, root, run } from './prepare.mjs';

await main(async () => {
  const node = await prepare();
  return run(node, [join(root, 'apps', 'admin', 'dist', 'main.js'), ...process.argv.slice(2)], {
    env: environment(node),
  });
});

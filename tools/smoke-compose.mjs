// npm run smoke:compose [-- options]: installs what is missing, builds, and tests docker-compose.yml (e2e/src/programs/smoke/main.ts).
import { join } from 'node:path';
import { environment, main, prepare, root, run } from './prepare.mjs';

await main(async () => {
  const node = await prepare();
  return run(node, [join(root, 'e2e', 'dist', 'programs', 'smoke', 'main.js'), ...process.argv.slice(2)], {
    env: environment(node),
  });
});

// npm run chat -- --url URL (--user NAME | --guest [NAME]) [options]: installs what is missing, builds, and runs the terminal client (apps/terminal).
import { join } from 'node:path';
import { environment, main, prepare, root, run } from './prepare.mjs';

await main(async () => {
  const node = await prepare();
  return run(node, [join(root, 'apps', 'terminal', 'dist', 'main.js'), ...process.argv.slice(2)], {
    env: { ...environment(node), NODE_ENV: 'production' },
  });
});

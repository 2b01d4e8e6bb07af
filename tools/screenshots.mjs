// npm run screenshots [-- FOLDER]: installs what is missing, builds, and takes the pictures of docs/screenshots.
import { join } from 'node:path';
import { environment, main, prepare, root, run } from './prepare.mjs';

await main(async () => {
  const node = await prepare({ web: true });
  return run(node, [join(root, 'e2e', 'dist', 'web', 'screenshots.js'), ...process.argv.slice(2)], { env: environment(node) });
});

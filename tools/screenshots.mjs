// npm run screenshots [-- FOLDER]: installs what is missing, builds, and takes the pictures of docs/screenshots. `--typing` measures the time from a key press to the screen instead.
import { join } from 'node:path';
import { environment, main, prepare, root, run } from './prepare.mjs';

await main(async () => {
  const node = await prepare({ web: true });
  const [first, ...rest] = process.argv.slice(2);
  const args =
    first === '--typing' ? ['typing.js', ...rest] : ['screenshots.js', ...(first === undefined ? [] : [first])];
  return run(node, [join(root, 'e2e', 'dist', 'web', String(args[0])), ...args.slice(1)], { env: environment(node) });
});

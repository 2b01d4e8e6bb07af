// node tools/run.mjs <command> [arguments]: runs `node`, or a program of an installed package, under Node 24.
import { existsSync } from 'node:fs';
import { platform } from 'node:os';
import { join } from 'node:path';
import { environment, Failure, main, prepare, root, run } from './prepare.mjs';

await main(async () => {
  const [command, ...args] = process.argv.slice(2);
  if (!command) throw new Failure('usage: node tools/run.mjs <command> [arguments]');
  const node = await prepare({ build: false });
  const env = environment(node);
  if (command === 'node') return run(node, args, { env });
  const windows = platform() === 'win32';
  const file = join(root, 'node_modules', '.bin', windows ? `${command}.cmd` : command);
  if (!existsSync(file)) throw new Failure(`there is no program ${command} in node_modules`);
  return run(file, args, { env, shell: windows });
});

// node tools/faults.mjs [options]: installs what is missing, builds, and runs the faults on a private cluster (e2e/src/programs/faults/main.ts).
// With `--from REF` it builds that version in .cache/versions, and upgrades a cluster of it to this one under load.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { environment, Failure, main, prepare, root, run, say } from './prepare.mjs';

/** A checkout of another version, built by its own scripts. Resolves with its folder. @param {string} ref */
async function versionOf(ref) {
  const folder = join(root, '.cache', 'versions', ref.replaceAll(/[^\w.-]/g, '_'));
  if (!existsSync(folder) && (await run('git', ['clone', '--quiet', root, folder])) !== 0)
    throw new Failure('git clone failed');
  if ((await run('git', ['-C', folder, 'checkout', '--quiet', '--detach', ref])) !== 0)
    throw new Failure(`there is no version ${ref}`);
  say(`building ${ref}`);
  if ((await run(process.execPath, [join(folder, 'tools', 'build.mjs')])) !== 0)
    throw new Failure(`${ref} could not be built`);
  return folder;
}

await main(async () => {
  const node = await prepare();
  const args = process.argv.slice(2);
  const at = args.indexOf('--from');
  if (at >= 0) args.splice(at, 2, '--checkout', await versionOf(args[at + 1] ?? ''));
  return run(node, [join(root, 'e2e', 'dist', 'programs', 'faults', 'main.js'), ...args], { env: environment(node) });
});

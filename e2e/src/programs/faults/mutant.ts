/** Builds of this repository with one guard removed, to show that the faults notice its absence. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../../..', import.meta.url));
const BUILD_TIMEOUT_MS = 300_000;

/** The patch that removes a guard from the sources, relative to the repository. */
export const patchOf = (guard: string): string => `e2e/mutations/${guard}.patch`;

/**
 * Copies the packages into a temporary folder, applies the guard's patch to their sources, and compiles them. Resolves
 * with the folder, which the caller removes. Throws if the patch no longer applies or the patched sources do not
 * compile.
 */
export async function buildMutant(guard: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `parley-without-${guard}-`));
  for (const path of ['package.json', 'tsconfig.base.json', 'libs', 'apps', 'patches'])
    await cp(join(root, path), join(folder, path), {
      recursive: true,
      preserveTimestamps: true,
      filter: (source) => !source.endsWith('node_modules'),
    });
  await linkDependencies(folder);
  // Without a repository around it, git treats the patch's paths as relative to the folder.
  const env = { ...process.env, GIT_CEILING_DIRECTORIES: dirname(folder) };
  await run('git', ['apply', join(root, patchOf(guard))], { cwd: folder, env });
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  await run(process.execPath, [tsc, '-b', 'apps/admin'], { cwd: folder, timeout: BUILD_TIMEOUT_MS });
  return folder;
}

/** Third parties come from this repository; our own packages resolve to the copy. */
async function linkDependencies(folder: string): Promise<void> {
  for (const home of ['.', ...(await packages('libs')), ...(await packages('apps'))]) {
    const names = await readdir(join(root, home, 'node_modules')).catch(() => []);
    if (names.length > 0) await mkdir(join(folder, home, 'node_modules'));
    for (const name of names.filter((entry) => entry !== '@parley'))
      await symlink(join(root, home, 'node_modules', name), join(folder, home, 'node_modules', name));
  }
  await mkdir(join(folder, 'node_modules/@parley'));
  for (const home of [...(await packages('libs')), ...(await packages('apps')), 'patches'])
    await symlink(join(folder, home), join(folder, 'node_modules/@parley', home.split('/').at(-1)!));
}

const packages = async (parent: string): Promise<string[]> =>
  (await readdir(join(root, parent))).map((name) => `${parent}/${name}`);

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { installPackages } from './servers/programs.js';

/** Where a Python may have the packages: on the PATH, or where Debian puts its own. */
const interpreters = ['python3', '/usr/bin/python3'];

const succeeds = (command: string, ...args: string[]): Promise<boolean> =>
  promisify(execFile)(command, args).then(
    () => true,
    () => false,
  );
const report = (line: string) => void process.stderr.write(`${line}\n`);

/** Installs commands that are missing, from packages of Debian or Ubuntu of the same names. */
export async function ensureCommands(...names: readonly string[]): Promise<void> {
  const present = await Promise.all(names.map((name) => succeeds(name, '--version')));
  const missing = names.filter((_, at) => !present[at]);
  if (missing.length > 0) await installPackages(missing, report);
}

async function findPython(modules: readonly string[]): Promise<string | undefined> {
  const imports = modules.map((name) => `import ${name}`).join('\n');
  for (const interpreter of interpreters) if (await succeeds(interpreter, '-c', imports)) return interpreter;
  return undefined;
}

/**
 * The path of a Python that has these modules. If there is none, their packages of Debian or Ubuntu are installed; where
 * that is impossible, it rejects with a message that names them.
 */
export async function ensurePython(modules: readonly string[], debianPackages: readonly string[]): Promise<string> {
  const present = await findPython(modules);
  if (present !== undefined) return present;
  await installPackages(debianPackages, report);
  const installed = await findPython(modules);
  if (installed === undefined) throw new Error(`installed, but not found: ${debianPackages.join(', ')}`);
  return installed;
}

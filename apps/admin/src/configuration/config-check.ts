import { mkdtemp, readdir, readFile, rmdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parseArgs, parseEnv } from 'node:util';
import { ConfigError, isSecret, processEnvironment } from '@parley/service-kit';
import { problemOfFiles } from '@parley/store';
import type { z } from 'zod';
import { UsageError, type Command } from '../command.js';
import { programs, type Program } from './programs.js';

/** All problems of a program's configuration in `source`, without values. Starts nothing and connects to nothing. */
export function problemsOf(program: Program, source: NodeJS.ProcessEnv): readonly string[] {
  try {
    program.read(source);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

/** What is wrong with the files and folders that a valid configuration names. Folders may be missing: they are created. */
async function problemsOfPaths(program: Program, source: NodeJS.ProcessEnv): Promise<string[]> {
  const problems: string[] = [];
  for (const [name, value] of Object.entries(program.read(source) as Record<string, unknown>)) {
    if (typeof value !== 'string') continue;
    const problem =
      name === 'DATABASE_URL'
        ? await problemOfFiles(value)
        : name.endsWith('_DIR')
          ? await problemOfFolder(value)
          : undefined;
    if (problem !== undefined) problems.push(`${name}: ${problem}`);
  }
  return problems;
}

/** Makes a folder where the program would, and removes it: rights alone do not tell what a file system refuses. */
async function problemOfFolder(path: string): Promise<string | undefined> {
  try {
    const existing = await nearestExisting(resolve(path));
    if (!(await stat(existing)).isDirectory()) return 'is no folder';
    if (existing === resolve(path)) await readdir(existing);
    await rmdir(await mkdtemp(join(existing, '.config-check-')));
    return undefined;
  } catch (error) {
    return `names a folder that cannot be created or written (${(error as NodeJS.ErrnoException).code})`;
  }
}

/** The path, or the nearest folder above it that exists. */
async function nearestExisting(path: string): Promise<string> {
  try {
    await stat(path);
    return path;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error;
    return nearestExisting(dirname(path));
  }
}

const namesOf = ({ shape }: Program): string[] =>
  (Object.entries(shape) as [string, z.ZodType][]).flatMap(([name, field]) =>
    isSecret(field) ? [name, `${name}_FILE`] : [name],
  );

/** Names in `source` that none of the programs reads. */
export function unknownNames(chosen: readonly Program[], source: NodeJS.ProcessEnv): string[] {
  const read = new Set(chosen.flatMap(namesOf));
  return Object.keys(source).filter((name) => !read.has(name));
}

function programOf(name: string): Program {
  const found = programs.find((program) => program.name === name);
  if (!found)
    throw new UsageError(
      `there is no program ${name}; there are ${programs.map((program) => program.name).join(', ')}`,
    );
  return found;
}

async function readEnvFile(path: string): Promise<NodeJS.ProcessEnv> {
  try {
    return parseEnv(await readFile(path, 'utf8')) as NodeJS.ProcessEnv;
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${(error as Error).message}`);
  }
}

export const configCheckCommand: Command = {
  usage: 'config check [PROGRAM …] [--env-file PATH]',
  does: 'lists all problems of the configuration of these programs (default: standalone); starts nothing',
  async run(args, print) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { 'env-file': { type: 'string' } },
    });
    const chosen = (positionals.length > 0 ? positionals : ['standalone']).map(programOf);
    const file = values['env-file'];
    const source = file === undefined ? processEnvironment() : await readEnvFile(file);
    const unknown = file === undefined ? [] : unknownNames(chosen, source);
    for (const name of unknown) print(`${name}: none of these programs reads it`);
    let count = unknown.length;
    for (const program of chosen) {
      const found = problemsOf(program, source);
      const problems = found.length > 0 ? found : await problemsOfPaths(program, source);
      print(
        problems.length === 0
          ? `${program.name}: fine`
          : `${program.name}: ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}`,
      );
      for (const problem of problems) print(`  ${problem}`);
      count += problems.length;
    }
    return count === 0 ? 0 : 1;
  },
};

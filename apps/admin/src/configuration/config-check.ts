import { readFile } from 'node:fs/promises';
import { parseArgs, parseEnv } from 'node:util';
import { ConfigError, isSecret, processEnvironment } from '@parley/service-kit';
import type { z } from 'zod';
import { UsageError, type Command } from '../command.js';
import { programs, type Program } from './programs.js';

/** Everything that is wrong with what `source` says to a program; nothing is started, nothing is connected to. Values are not in it. */
export function problemsOf(program: Program, source: NodeJS.ProcessEnv): readonly string[] {
  try {
    program.read(source);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

const namesOf = ({ shape }: Program): string[] =>
  (Object.entries(shape) as [string, z.ZodType][]).flatMap(([name, field]) =>
    isSecret(field) ? [name, `${name}_FILE`] : [name],
  );

/** Names in `source` that none of the programs reads. */
export function unknownNames(chosen: readonly Program[], source: NodeJS.ProcessEnv): string[] {
  const known = new Set(chosen.flatMap(namesOf));
  return Object.keys(source).filter((name) => !known.has(name));
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

export const configCheck: Command = {
  usage: 'config check [PROGRAM …] [--env-file PATH]',
  does: 'says everything that is wrong with the configuration of these programs (standalone unless told), and starts nothing',
  async run(args, say) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { 'env-file': { type: 'string' } },
    });
    const chosen = (positionals.length > 0 ? positionals : ['standalone']).map(programOf);
    const file = values['env-file'];
    const source = file === undefined ? processEnvironment() : await readEnvFile(file);
    const strange = file === undefined ? [] : unknownNames(chosen, source);
    for (const name of strange) say(`${name}: nobody reads it`);
    let bad = strange.length;
    for (const program of chosen) {
      const problems = problemsOf(program, source);
      say(
        problems.length === 0
          ? `${program.name}: fine`
          : `${program.name}: ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}`,
      );
      for (const problem of problems) say(`  ${problem}`);
      bad += problems.length;
    }
    return bad === 0 ? 0 : 1;
  },
};

/** The operator's commands: `npm run admin -- COMMAND`. */
import { ConfigError, keepFilesPrivate, StartError, Unavailable } from '@parley/service-kit';
import { backupCommand, migrateCommand, restoreCommand } from './data/backup.js';
import { UsageError, wordsOf, type Command } from './command.js';
import { configCheckCommand } from './configuration/config-check.js';
import { configDocCommand } from './configuration/configuration-page.js';
import { conversationsCommand } from './conversations.js';
import { exportCommand } from './data/export.js';
import { reconcileCommand } from './data/reconcile.js';
import { redriveCommand } from './redrive.js';
import { secretsCommand } from './secrets.js';
import { revokeCommand, usersCommand } from './users.js';

const commands: readonly Command[] = [
  backupCommand,
  restoreCommand,
  migrateCommand,
  usersCommand,
  revokeCommand,
  conversationsCommand,
  exportCommand,
  reconcileCommand,
  redriveCommand,
  secretsCommand,
  configCheckCommand,
  configDocCommand,
];

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const printError = (line: string): void => void process.stderr.write(`${line}\n`);

const describe = ({ usage, does }: Command): string => `  ${usage}\n      ${does}`;

const HELP = new Set(['--help', '-h', 'help']);
const list = (): string =>
  [
    "The operator's commands: npm run admin -- COMMAND [options]",
    '',
    ...commands.map(describe),
    '  help [COMMAND], COMMAND --help\n      describes all commands, or one',
    '',
    'Exit codes: 0; 1 for a problem; 2 for a wrong command line; 3 when everything is done except for files whose bytes are missing',
  ].join('\n');

/** Includes errors of `parseArgs`. */
const isUsageError = (error: unknown): error is Error =>
  error instanceof UsageError ||
  String((error as NodeJS.ErrnoException | undefined)?.code).startsWith('ERR_PARSE_ARGS');

/** The problem in one line, for errors that an operator can fix; undefined for defects. */
function problemOf(error: unknown): string | undefined {
  if (error instanceof ConfigError) return error.problems.join('\n');
  if (error instanceof StartError || error instanceof Unavailable) return error.message;
  const { syscall, message } = error as NodeJS.ErrnoException;
  return syscall === undefined ? undefined : message;
}

const find = (args: readonly string[]): Command | undefined =>
  commands.find((candidate) => wordsOf(candidate).every((word, at) => args[at] === word));

/** The known command that is closest to a mistyped one. */
function hintFor(args: readonly string[]): string {
  const typed = args.filter((word) => !word.startsWith('-')).join(' ');
  const [closest] = commands
    .map((command) => wordsOf(command).join(' '))
    .map((words) => ({ words, distance: words.startsWith(typed) ? 0 : distanceOf(typed, words) }))
    .toSorted((a, b) => a.distance - b.distance);
  const isClose = typed !== '' && closest!.distance <= 3;
  return `${isClose ? `did you mean ${closest!.words}? ` : ''}\`npm run admin -- --help\` lists all commands`;
}

/** The number of letters to add, remove or replace (Levenshtein). */
function distanceOf(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (const [i, letter] of one.split('').entries()) {
    const next = [i + 1];
    for (let at = 0; at < other.length; at++)
      next.push(Math.min(next[at]! + 1, row[at + 1]! + 1, row[at]! + (letter === other[at] ? 0 : 1)));
    row = next;
  }
  return row.at(-1)!;
}

async function main(args: readonly string[]): Promise<number> {
  if (HELP.has(args[0] ?? '') || args.slice(1).some((arg) => arg === '--help' || arg === '-h')) {
    const named = args.filter((arg) => !HELP.has(arg));
    const command = find(named);
    if (!command && named.length > 0) return unknown(named);
    print(command ? describe(command) : list());
    return 0;
  }
  const command = find(args);
  if (!command) return unknown(args);
  try {
    return await command.run(args.slice(wordsOf(command).length), print, printError);
  } catch (error) {
    if (isUsageError(error)) {
      printError(`${error.message}\nusage: ${command.usage}`);
      return 2;
    }
    const problem = problemOf(error);
    if (problem === undefined) throw error;
    printError(problem);
    return 1;
  }
}

function unknown(args: readonly string[]): number {
  printError(args.length === 0 ? list() : `there is no command ${args.join(' ').slice(0, 200)}: ${hintFor(args)}`);
  return 2;
}

keepFilesPrivate();
process.exitCode = await main(process.argv.slice(2));

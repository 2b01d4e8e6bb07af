/** The operator's commands: `npm run admin -- COMMAND`. */
import { ConfigError, keepFilesPrivate, StartError } from '@parley/service-kit';
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

function help(): void {
  for (const { usage, does } of commands) printError(`  ${usage}\n      ${does}`);
}

/** Includes errors of `parseArgs`. */
const isUsageError = (error: unknown): error is Error =>
  error instanceof UsageError ||
  String((error as NodeJS.ErrnoException | undefined)?.code).startsWith('ERR_PARSE_ARGS');

async function main(args: readonly string[]): Promise<number> {
  const command = commands.find((candidate) => wordsOf(candidate).every((word, at) => args[at] === word));
  if (!command) {
    if (args.length > 0) printError(`there is no command ${args.join(' ')}`);
    help();
    return 2;
  }
  try {
    return await command.run(args.slice(wordsOf(command).length), print);
  } catch (error) {
    if (isUsageError(error)) printError(`${error.message}\nusage: ${command.usage}`);
    else if (error instanceof ConfigError) for (const problem of error.problems) printError(problem);
    else if (error instanceof StartError) printError(error.message);
    else throw error;
    return isUsageError(error) ? 2 : 1;
  }
}

keepFilesPrivate();
process.exitCode = await main(process.argv.slice(2));

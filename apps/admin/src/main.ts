/** The operator's commands: `npm run admin -- COMMAND`. */
import { ConfigError, StartError } from '@parley/service-kit';
import { backupCommand, migrateCommand, restoreCommand } from './data/backup.js';
import { UsageError, wordsOf, type Command } from './command.js';
import { configCheck } from './configuration/config-check.js';
import { configDoc } from './configuration/configuration-page.js';
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
  configCheck,
  configDoc,
];

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const complain = (line: string): void => void process.stderr.write(`${line}\n`);

function help(): void {
  for (const { usage, does } of commands) complain(`  ${usage}\n      ${does}`);
}

/** What `parseArgs` throws is the caller's mistake too. */
const isUsage = (error: unknown): error is Error =>
  error instanceof UsageError ||
  String((error as NodeJS.ErrnoException | undefined)?.code).startsWith('ERR_PARSE_ARGS');

async function main(args: readonly string[]): Promise<number> {
  const command = commands.find((one) => wordsOf(one).every((word, at) => args[at] === word));
  if (!command) {
    if (args.length > 0) complain(`there is no command ${args.join(' ')}`);
    help();
    return 2;
  }
  try {
    return await command.run(args.slice(wordsOf(command).length), say);
  } catch (error) {
    if (isUsage(error)) complain(`${error.message}\nusage: ${command.usage}`);
    else if (error instanceof ConfigError) for (const problem of error.problems) complain(problem);
    else if (error instanceof StartError) complain(error.message);
    else throw error;
    return isUsage(error) ? 2 : 1;
  }
}

process.exitCode = await main(process.argv.slice(2));

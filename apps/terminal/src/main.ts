/** The terminal client: `npm run chat`. */
import { createClient, ParleyError, type ParleyClient } from '@parley/client';
import { fileStorage } from '@parley/client/node';
import { errorText, UsageError } from './errors.js';
import { Directory } from './text/directory.js';
import { runLines } from './lines/lines.js';
import { readOptions, usage, type Options } from './options.js';
import { inline } from './text/printable.js';
import { findProfile, rememberProfile, removeProfile, type Profile } from './profile.js';
import { signIn } from './sign-in.js';

const printError = (text: string): void => void process.stderr.write(`${text}\n`);

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (options.help) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  const profile = await findProfile(options);
  if (!profile) throw new UsageError('who are you? --user NAME, or --guest');
  // Only the screen keeps conversations: scripts leave nothing that they read on the disk.
  const client = createClient({
    url: options.url,
    storage: fileStorage(profile.folder),
    keepConversations: hasScreen(options),
  });
  if (options.forget) return forget(client, profile);
  try {
    await signIn(client, profile, options);
    await rememberProfile(options.url, profile);
    return await chat(client, options);
  } finally {
    client.disconnect();
    await client.flush();
  }
}

const hasScreen = ({ plain }: Options): boolean => !plain && process.stdin.isTTY && process.stdout.isTTY;

async function chat(client: ParleyClient, options: Options): Promise<number> {
  const directory = new Directory(client);
  const { stdin, stdout, stderr } = process;
  if (hasScreen(options)) {
    const { runScreen } = await import('./screen/screen.js');
    return runScreen(client, directory, options);
  }
  const leaving = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => leaving.abort());
  // The reader of the output has closed it.
  stdout.once('error', () => leaving.abort());
  client.on('error', (error) => printError(inline(errorText(error))));
  return runLines(client, directory, options, {
    input: stdin,
    output: stdout,
    problems: stderr,
    signal: leaving.signal,
  });
}

async function forget(client: ParleyClient, profile: Profile): Promise<number> {
  await client.restore();
  await client.logout();
  await client.flush();
  await removeProfile(client.url, profile);
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.exitCode = error instanceof UsageError ? 2 : 1;
  if (error instanceof UsageError || error instanceof ParleyError) printError(inline(errorText(error)));
  else throw error;
  if (error instanceof UsageError) printError('npm run chat -- --help lists the options');
}
// Pending timers must not keep the process running.
process.exit();

/** Parley in a terminal: `npm run chat`. */
import { createClient, ParleyError, type ParleyClient } from '@parley/client';
import { fileStorage } from '@parley/client/node';
import { problemText } from './commands/commands.js';
import { Directory } from './text/directory.js';
import { runLines } from './lines/lines.js';
import { readOptions, usage, UsageError, type Options } from './options.js';
import { inline } from './text/printable.js';
import { findProfile, remember, removeProfile, type Profile } from './profile.js';
import { signIn } from './sign-in.js';

const complain = (text: string): void => void process.stderr.write(`${text}\n`);

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (options.help) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  const profile = await findProfile(options);
  if (!profile) throw new UsageError('who are you? --user NAME, or --guest');
  // Scripts leave nothing of what they read on the disk.
  const client = createClient({
    url: options.url,
    storage: fileStorage(profile.folder),
    keepConversations: hasScreen(options),
  });
  if (options.forget) return forget(client, profile);
  try {
    await signIn(client, profile, options);
    await remember(options.url, profile);
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
  // Whoever read it has had enough.
  stdout.once('error', () => leaving.abort());
  client.on('error', (error) => complain(inline(problemText(error))));
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
  if (error instanceof UsageError || error instanceof ParleyError) complain(inline(problemText(error)));
  else throw error;
  if (error instanceof UsageError) complain('npm run chat -- --help tells more');
}
// Timers that wait for nothing any more must not keep the shell waiting.
process.exit();

import { parseArgs } from 'node:util';
import { serverUrlOf } from '@parley/client';
import { UsageError } from './errors.js';

export const usage = `npm run chat -- --url URL (--user NAME [--register] | --guest [NAME]) [options]

who
  --url URL          the server; default http://localhost:3000
  --user NAME        log in; the password is asked for, or taken from PARLEY_PASSWORD
  --register         make the account --user NAME first
  --guest [NAME]     come in without an account
  --forget           forget the session of --user or --guest, here and at the server (default: the last used)

lines in, lines out (use npm run -s)
  --plain            read lines, print lines
  --to CONVERSATION  the conversation: its id, its title, or @username
  --follow           print messages as they come, of --to or of all conversations, until interrupted
  --history N        with --follow: begin with the last N messages of --to
  --json             print messages as JSON lines
  --commands         lines that begin with / are commands, as they are in a terminal; others are sent
  --timeout SECONDS  how long to wait until all is stored; default 30

Exit code: 0 when everything that was read is stored, 1 when not, 2 for wrong usage. What is not stored waits on the disk for the next start.`;

export interface Options {
  readonly url: string;
  /** Undefined: the last used profile. */
  readonly who?: { readonly kind: 'user' | 'guest'; readonly name: string };
  readonly register: boolean;
  readonly forget: boolean;
  readonly plain: boolean;
  readonly to?: string;
  readonly follow: boolean;
  readonly history: number;
  readonly json: boolean;
  readonly commands: boolean;
  readonly timeoutMs: number;
  readonly help: boolean;
}

const flags = {
  url: { type: 'string', default: 'http://localhost:3000' },
  user: { type: 'string' },
  guest: { type: 'string' },
  register: { type: 'boolean', default: false },
  forget: { type: 'boolean', default: false },
  plain: { type: 'boolean', default: false },
  to: { type: 'string' },
  follow: { type: 'boolean', default: false },
  history: { type: 'string', default: '0' },
  json: { type: 'boolean', default: false },
  commands: { type: 'boolean', default: false },
  timeout: { type: 'string', default: '30' },
  help: { type: 'boolean', default: false, short: 'h' },
} as const;

/** Allows `--guest` without a name, which `parseArgs` cannot express. */
const withGuestName = (args: readonly string[]): string[] =>
  args.map((arg, at) => (arg === '--guest' && (args[at + 1] ?? '--').startsWith('--') ? '--guest=' : arg));

/** Parses the command line. Throws a {@link UsageError}. */
export function readOptions(args: readonly string[]): Options {
  const { url, user, guest, to, history, timeout, ...rest } = parse(args);
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new UsageError(`--url: ${url} is not the address of a server`);
  if (user !== undefined && guest !== undefined) throw new UsageError('--user or --guest, not both');
  if (user === '') throw new UsageError('--user: a name is missing');
  if (rest.register && user === undefined) throw new UsageError('--register goes with --user');
  const who =
    user !== undefined
      ? { kind: 'user' as const, name: user.toLowerCase() }
      : guest !== undefined
        ? { kind: 'guest' as const, name: guest }
        : undefined;
  return {
    ...rest,
    url: serverUrlOf(url),
    ...(who && { who }),
    ...(to !== undefined && { to }),
    history: wholeNumber('--history', history, 0, 1000),
    timeoutMs: wholeNumber('--timeout', timeout, 1, 86_400) * 1000,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: withGuestName(args), options: flags, strict: true }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function wholeNumber(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max)
    throw new UsageError(`${name}: ${text} is not a whole number from ${min} to ${max}`);
  return value;
}

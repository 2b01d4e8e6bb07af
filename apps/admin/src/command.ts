/** One of the operator's commands. */
export interface Command {
  /** The command's words, and the options that may follow. */
  readonly usage: string;
  /** Its description in one line. */
  readonly does: string;
  /**
   * Runs the command with its options; `print` takes one line of output at a time, and `warn`, by default `print`, one
   * of standard error. Resolves with the exit code. Throws a {@link UsageError} when an option is wrong.
   */
  run(args: readonly string[], print: Print, warn?: Print): Promise<number>;
}
export type Print = (line: string) => void;

/** The exit code of a command that did its work, except for files whose bytes are missing. */
export const FILES_MISSING = 3;

/** The command line is wrong; the message says why. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The value of a required option. Throws a {@link UsageError} that names it. */
export function required(name: string, value: string | undefined): string {
  if (value === undefined) throw new UsageError(`--${name} is required`);
  return value;
}

/** The words of a usage line that name the command, without its options. */
export const wordsOf = ({ usage }: Command): readonly string[] =>
  usage.split(' ').filter((word) => /^[a-z-]+$/.test(word) && !word.startsWith('--'));

/** One of the operator's commands. */
export interface Command {
  /** Its words, and what may follow them. */
  readonly usage: string;
  /** One line. */
  readonly does: string;
  /** Does it; what it prints goes to `say`, a line at a time. Resolves with the exit code. Throws a {@link UsageError} when it was called wrongly. */
  run(args: readonly string[], say: Say): Promise<number>;
}
export type Say = (line: string) => void;

/** What was typed is not understood; the message says why. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** An option that has to be there. Throws a {@link UsageError} that names it. */
export function required(name: string, value: string | undefined): string {
  if (value === undefined) throw new UsageError(`say --${name}`);
  return value;
}

/** The words of a usage line that name the command, before what may follow. */
export const wordsOf = ({ usage }: Command): readonly string[] =>
  usage.split(' ').filter((word) => /^[a-z-]+$/.test(word) && !word.startsWith('--'));

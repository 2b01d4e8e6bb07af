/** Short helpers that many specs use. */

/** The numbers 0 to `count` - 1. */
export const range = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

/**
 * The code of the error that a call rejects with, or the error's message if it has no code; `answered` if it resolves.
 */
export const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'answered',
    (error: Error & { code?: string }) => error.code ?? error.message,
  );

/**
 * The code of the error that a call rejects with, or the error's message if it has no code; `answered` if it resolves.
 */
export const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'answered',
    (error: Error & { code?: string }) => error.code ?? error.message,
  );

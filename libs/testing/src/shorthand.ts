/** What specs say again and again. */

/** 0 to `count` - 1. */
export const range = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

/** The code that a call is refused with; `answered` when it is not; the message of an error that has no code. */
export const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'answered',
    (error: Error & { code?: string }) => error.code ?? error.message,
  );

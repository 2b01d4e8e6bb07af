import { ParleyError } from '@parley/client';

/** A mistake of the user: its message is shown, and the program exits with code 2. */
export class UsageError extends Error {}

/** An error as one line. */
export function errorText(error: unknown): string {
  if (error instanceof UsageError) return error.message;
  const { code, message } = ParleyError.of(error);
  return code === 'internal' ? message : `${code}: ${message}`;
}

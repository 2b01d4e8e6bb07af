import { ChatError } from '@parley/contracts';
import type { z } from 'zod';

/** A position in a list, as an opaque string. */
export const encodeCursor = (position: unknown): string => Buffer.from(JSON.stringify(position)).toString('base64url');

/** The position again. Throws `ChatError('invalid')` for anything that {@link encodeCursor} did not make of such a position. */
export function decodeCursor<T extends z.ZodType>(shape: T, cursor: string): z.output<T> {
  try {
    const position = shape.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')));
    if (encodeCursor(position) === cursor) return position;
  } catch {
    // Answered below, like every other string that is no cursor.
  }
  throw new ChatError('invalid', 'cursor: unknown', { details: [{ path: 'cursor', message: 'unknown' }] });
}

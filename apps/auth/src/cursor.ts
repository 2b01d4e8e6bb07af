import { ChatError } from '@parley/contracts';

/** A cursor of a list: opaque to clients, and good for that list only. */
export const encodeCursor = (list: string, position: string): string =>
  Buffer.from(`${list}:${position}`).toString('base64url');

/** The position in a cursor of `list`. Throws `invalid` for anything that {@link encodeCursor} did not make. */
export function decodeCursor(cursor: string, list: string): string {
  const text = Buffer.from(cursor, 'base64url').toString();
  const position = text.slice(list.length + 1);
  if (!text.startsWith(`${list}:`) || position.includes('\0') || encodeCursor(list, position) !== cursor) {
    throw new ChatError('invalid', 'cursor: unknown', { details: [{ path: 'cursor', message: 'unknown' }] });
  }
  return position;
}

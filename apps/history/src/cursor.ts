import { ChatError, Id } from '@parley/contracts';
import { iso, type Moment, type Row } from '@parley/store';
import { z } from 'zod';

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

/** Items in a page of a list, unless the caller says otherwise. */
export const DEFAULT_LIMIT = 50;

export interface ListRequest {
  readonly cursor?: string | undefined;
  readonly limit?: number | undefined;
}
export interface Page<T> {
  items: T[];
  nextCursor?: string;
}

const TimeCursor = (list: string) => z.tuple([z.literal(list), z.iso.datetime({ precision: 3 }), Id]);
/** A place in the order of (time, id). Both undefined: the list's beginning. */
export interface TimePlace {
  readonly at: string | undefined;
  readonly id: string | undefined;
}

/**
 * A page of a list that is ordered by (time, id). `list` names the list, so that no other list's cursor is taken for one of this. `read` gets one more than the limit, which
 * shows whether more follows; `placeOf` is a row's own place.
 */
export async function pageByTime<R extends Row>(
  list: string,
  { cursor, limit = DEFAULT_LIMIT }: ListRequest,
  read: (place: TimePlace, limit: number) => Promise<R[]>,
  placeOf: (row: R) => readonly [Moment, string],
): Promise<{ rows: R[]; nextCursor?: string }> {
  const [, at, id] = cursor === undefined ? [] : decodeCursor(TimeCursor(list), cursor);
  const rows = await read({ at, id }, limit + 1);
  const page = rows.slice(0, limit);
  if (rows.length <= limit) return { rows: page };
  const [lastAt, lastId] = placeOf(page.at(-1)!);
  return { rows: page, nextCursor: encodeCursor([list, iso(lastAt), lastId]) };
}

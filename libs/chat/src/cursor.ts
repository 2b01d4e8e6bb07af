import { ChatError, Id } from '@parley/contracts';
import type { Row } from '@parley/store';
import { z } from 'zod';
import { fitting } from './answer-size.js';
import { iso, type Moment } from './rows.js';

/** A position in the list `list` as an opaque string, valid for that list only. `position` is JSON: strings and numbers. */
export const encodeCursor = (list: string, position: readonly unknown[]): string =>
  Buffer.from(JSON.stringify([list, ...position])).toString('base64url');

/**
 * The position in a cursor of `list`. Throws `ChatError('invalid')` for any string that {@link encodeCursor} did not
 * make for this list and shape.
 */
export function decodeCursor<T extends z.ZodType<readonly unknown[]>>(
  list: string,
  shape: T,
  cursor: string,
): z.output<T> {
  try {
    const json = Buffer.from(cursor, 'base64url').toString('utf8');
    const [, ...rest] = JSON.parse(json) as unknown[];
    const position = shape.parse(rest);
    // Postgres takes no NUL in text.
    if (encodeCursor(list, position) === cursor && !json.includes('\\u0000')) return position;
  } catch {
    // Refused below, like a cursor of another list.
  }
  throw new ChatError('invalid', 'cursor: unknown', { details: [{ path: 'cursor', message: 'unknown' }] });
}

/** Items per page unless the caller gives a limit. */
export const DEFAULT_LIMIT = 50;

/** The page that a caller asks for: after `cursor`, or the first one; at most `limit` items. */
export interface ListRequest {
  readonly cursor?: string | undefined;
  readonly limit?: number | undefined;
}
/** A page of a list. `nextCursor` is present if more items follow. */
export interface Page<T> {
  items: T[];
  nextCursor?: string;
}

const TimePosition = z.tuple([z.iso.datetime({ precision: 3 }), Id]);
/** A position in the order of (time, id). Both undefined: the beginning of the list. */
export interface TimePlace {
  readonly at: string | undefined;
  readonly id: string | undefined;
}

/**
 * One page of a list ordered by (time, id). `list` names the list in its cursors. `read` is given one more than the
 * limit: the extra row tells whether another page follows. A page of large rows is shorter. `placeOf` returns a row's
 * position.
 */
export async function pageByTime<R extends Row>(
  list: string,
  { cursor, limit = DEFAULT_LIMIT }: ListRequest,
  read: (after: TimePlace, limit: number) => Promise<R[]>,
  placeOf: (row: R) => readonly [Moment, string],
): Promise<{ rows: R[]; nextCursor?: string }> {
  const [at, id] = cursor === undefined ? [] : decodeCursor(list, TimePosition, cursor);
  const rows = await read({ at, id }, limit + 1);
  const page = fitting(rows.slice(0, limit));
  if (rows.length === page.length) return { rows: page };
  const [lastAt, lastId] = placeOf(page.at(-1)!);
  return { rows: page, nextCursor: encodeCursor(list, [iso(lastAt), lastId]) };
}

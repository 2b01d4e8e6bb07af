import {
  ANSWER_BYTES,
  decodeCursor,
  encodeCursor,
  lineColumns,
  toLine,
  type ConversationAccess,
  type LineRow,
} from '@parley/chat';
import { ChatError, Position, type CallOutput } from '@parley/contracts';
import type { Sql } from '@parley/store';
import { z } from 'zod';

/** The longest coordinate in JSON, with its comma: `-1.2345678e-30,`. */
const COORDINATE_BYTES = 15;
/**
 * SQL: the lines after $2 that fit into $3 bytes, each with the number of lines after $2. Their sizes are estimated from
 * above: writing all coordinates to learn them took most of the time of a page.
 */
const LINES = `
  with sized as (
    select ${lineColumns}, n, sum(bytes) over (order by n) - bytes as before, count(*) over () as total
    from (select *, 250 + ${COORDINATE_BYTES} * cardinality(points) as bytes from chat.drawing_line where conversation_id = $1 and n > $2) l)
  select ${lineColumns}, n, total from sized where before < $3 order by n`;
interface CountedLine extends LineRow {
  n: number;
  total: number;
}
/** The `rev` of the board's last reset, and the number of a line. */
const Place = z.tuple([Position, Position]);

/**
 * A conversation's board in the order of drawing, as far as it fits into an answer, from the beginning or from
 * `cursor`: `conflict` when the board was emptied since. `sql` must be the snapshot of the `conversation`. Does not
 * check access.
 */
export async function readBoard(
  sql: Sql,
  { id, rev, drawing_rev }: Pick<ConversationAccess, 'id' | 'rev' | 'drawing_rev'>,
  cursor: string | undefined,
): Promise<CallOutput<'drawing.get'>> {
  const [drawingRev, after] = cursor === undefined ? [drawing_rev, 0] : decodeCursor('drawing', Place, cursor);
  if (drawingRev !== drawing_rev) throw new ChatError('conflict', 'The board was emptied: load it from the beginning');
  const rows = await sql.query<CountedLine>(LINES, [id, after, ANSWER_BYTES]);
  const last = rows.at(-1);
  const complete = last === undefined || rows.length === last.total;
  return {
    items: rows.map(toLine),
    rev,
    complete,
    ...(complete ? {} : { cursor: encodeCursor('drawing', [drawing_rev, last.n]) }),
  };
}

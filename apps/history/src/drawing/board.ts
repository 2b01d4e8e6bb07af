import { lineColumns, toLine, type LineRow } from '@parley/chat';
import type { CallOutput } from '@parley/contracts';
import type { Sql } from '@parley/store';

const LINES = `select ${lineColumns} from chat.drawing_line where conversation_id = $1 order by n`;

/** A conversation's board in the order of drawing. `sql` must be the snapshot in which the conversation is at `rev`. Does not check access. */
export async function readBoard(sql: Sql, conversationId: string, rev: number): Promise<CallOutput<'drawing.get'>> {
  return { items: (await sql.query<LineRow>(LINES, [conversationId])).map(toLine), rev };
}

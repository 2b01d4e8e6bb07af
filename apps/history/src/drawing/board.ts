import { iso, type Moment } from '@parley/chat';
import type { CallOutput } from '@parley/contracts';
import type { Row, Sql } from '@parley/store';

const LINES = `select id, user_id, color, width, points, created_at from chat.drawing_line where conversation_id = $1 order by n`;
interface LineRow extends Row {
  id: string;
  user_id: string;
  color: string;
  width: number;
  points: number[];
  created_at: Moment;
}

/** A conversation's board in the order of drawing. `sql` must be the snapshot in which the conversation is at `rev`. Does not check access. */
export async function readBoard(sql: Sql, conversationId: string, rev: number): Promise<CallOutput<'drawing.get'>> {
  const rows = await sql.query<LineRow>(LINES, [conversationId]);
  return {
    items: rows.map(({ id, user_id, color, width, points, created_at }) => ({
      id,
      userId: user_id,
      color,
      width,
      points,
      createdAt: iso(created_at),
    })),
    rev,
  };
}

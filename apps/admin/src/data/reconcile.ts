import { parseArgs } from 'node:util';
import { isMemberNow, preferenceJoin, unreadAbove, unreadCount } from '@parley/chat';
import type { Sql } from '@parley/store';
import type { Command } from '../command.js';
import { openDeployment, withDeployment } from './deployment.js';
import { snapshot } from './tables.js';

interface Check {
  readonly what: string;
  /** Selects one row for each violation. */
  readonly sql: string;
}

const above = unreadAbove('m', 'k', 'p');

/**
 * Unread counts are computed on demand. These checks verify the data that they are computed from, and the computation
 * against plain counting.
 */
export const checks: readonly Check[] = [
  {
    what: 'messages of a conversation are numbered 1 to last_seq, without holes',
    sql: `select c.id as conversation, c.last_seq, count(m.seq)::int as messages, max(m.seq) as highest from chat.conversation c left join chat.message m on m.conversation_id = c.id
           where c.deleted_at is null group by c.id having count(m.seq) <> c.last_seq or coalesce(max(m.seq), 0) <> c.last_seq`,
  },
  {
    what: 'cursors lie within their conversation, read not beyond delivered',
    sql: `select k.conversation_id as conversation, k.user_id as "user", k.read_seq, k.delivered_seq, c.last_seq from history.cursor k join chat.conversation c on c.id = k.conversation_id
           where k.read_seq > k.delivered_seq or k.delivered_seq > c.last_seq or k.read_seq < 0`,
  },
  {
    what: 'conversations have as many members as they say',
    sql: `select c.id as conversation, c.member_count, count(m.user_id)::int as members from chat.conversation c left join chat.member m on m.conversation_id = c.id and m.left_at is null and m.status <> 'banned'
           where c.deleted_at is null group by c.id having count(m.user_id) <> c.member_count`,
  },
  {
    what: 'unread equals a count message by message',
    sql: `select * from (
            select c.id as conversation, m.user_id as "user", ${unreadCount('c.id', 'c.last_seq', 'm.user_id', above)} as unread,
              (select count(*)::int from chat.message x where x.conversation_id = c.id and x.seq > ${above} and x.sender_id <> m.user_id and x.deleted_at is null and x.type <> 'system') as counted
            from chat.member m join chat.conversation c on c.id = m.conversation_id
            left join history.cursor k on k.conversation_id = m.conversation_id and k.user_id = m.user_id ${preferenceJoin('m', 'p')}
            where ${isMemberNow('m')} and c.deleted_at is null) both_ways
           where unread <> counted`,
  },
];

/** The violations of each check, at most `limit`. */
export async function reconcile(
  sql: Sql,
  limit: number,
): Promise<{ what: string; wrong: Record<string, unknown>[] }[]> {
  const found: { what: string; wrong: Record<string, unknown>[] }[] = [];
  for (const { what, sql: text } of checks) found.push({ what, wrong: await sql.query(`${text} limit ${limit}`) });
  return found;
}

export const reconcileCommand: Command = {
  usage: 'reconcile unread [--limit N] [--data-dir DIR]',
  does: 'checks the data that unread counts are computed from, and recounts them message by message; changes nothing, and exits with 1 when something is wrong',
  async run(args, print) {
    const { values } = parseArgs({
      args: [...args],
      options: { limit: { type: 'string', default: '100' }, 'data-dir': { type: 'string' } },
    });
    return withDeployment(openDeployment(values['data-dir'], { by: 'copy' }), async ({ database }) => {
      const limit = Math.max(1, Math.trunc(Number(values.limit)) || 100);
      const found = await snapshot(database, (sql) => reconcile(sql, limit));
      for (const { what, wrong } of found) {
        print(`${wrong.length === 0 ? 'fine ' : 'WRONG'}  ${what}`);
        for (const row of wrong) print(`       ${JSON.stringify(row)}`);
      }
      return found.every(({ wrong }) => wrong.length === 0) ? 0 : 1;
    });
  },
};

import { parseArgs } from 'node:util';
import type { Sql } from '@parley/store';
import { required, type Command } from './command.js';
import { openDeployment, withDeployment } from './data/deployment.js';
import { replaceControls, findUser, parseLimit } from './users.js';

interface ConversationRow extends Record<string, unknown> {
  readonly id: string;
  readonly kind: string;
  readonly title: string | null;
  readonly members: number;
  readonly messages: number;
  readonly active_at: Date;
  /** The other member of a direct conversation. */
  readonly partner: string | null;
}

/** The conversations of a user, most recently active first. */
const conversationsOf = (sql: Sql, userId: string, limit: number): Promise<ConversationRow[]> =>
  sql.query<ConversationRow>(
    `select c.id, c.kind, c.title, c.member_count as members, c.last_seq::int as messages, c.active_at,
            (select '@' || u.username from chat.direct_pair p join auth."user" u on u.id = case when p.low = $1::uuid then p.high else p.low end where p.conversation_id = c.id) as partner
       from chat.member m join chat.conversation c on c.id = m.conversation_id
      where m.user_id = $1::uuid and m.left_at is null and c.deleted_at is null
      order by c.active_at desc, c.id limit $2`,
    [userId, limit],
  );

export const conversationsCommand: Command = {
  usage: 'conversations --user NAME_OR_ID [--limit N] [--data-dir DIR]',
  does: 'lists the conversations of a user, most recently active first',
  async run(args, print) {
    const { values } = parseArgs({
      args: [...args],
      options: { user: { type: 'string' }, limit: { type: 'string', default: '50' }, 'data-dir': { type: 'string' } },
    });
    const user = required('user', values.user);
    const limit = parseLimit(values.limit);
    return withDeployment(openDeployment(values['data-dir']), async ({ database }) => {
      for (const { id, kind, members, messages, active_at, title, partner } of await conversationsOf(
        database,
        await findUser(database, user),
        limit,
      )) {
        print(
          [
            id,
            kind.padEnd(7),
            `${members} members`.padEnd(12),
            `${messages} messages`.padEnd(14),
            `last active ${active_at.toISOString()}`,
            replaceControls(title ?? partner ?? ''),
          ].join('  '),
        );
      }
      return 0;
    });
  },
};

import { ChatError } from '@parley/contracts';
import type { Sql } from '@parley/store';
import type { SendContext } from '../sending/context.js';
import type { SendRule } from '../sending/rules/rule.js';

/** One query for the whole batch, of any number of senders and conversations. */
async function newcomersAmong(sql: Sql, contexts: readonly SendContext[]): Promise<ReadonlySet<SendContext>> {
  const rows = await sql.query<{ n: number }>(
    `select q.n from unnest($1::uuid[], $2::uuid[]) with ordinality as q(conversation_id, user_id, n)
     join chat.member m on m.conversation_id = q.conversation_id and m.user_id = q.user_id
     where m.joined_at > clock_timestamp() - interval '1 hour'`,
    [contexts.map(({ conversation }) => conversation.id), contexts.map(({ command }) => command.caller.userId)],
  );
  return new Set(rows.map(({ n }) => contexts[n - 1]!));
}

/** Members of a public group post no links in their first hour. */
export const newcomers: SendRule<ReadonlySet<SendContext>> = {
  name: 'newcomers',
  timeLimitMs: 200,
  appliesTo: ({ command, conversation }) =>
    conversation.kind === 'group' && conversation.visibility === 'public' && command.input.body.includes('://'),
  prepare: newcomersAmong,
  check: (context, found) => (found.has(context) ? new ChatError('forbidden', 'Newcomers post no links') : undefined),
};

import { ChatError } from '@parley/contracts';
import type { Sql } from '@parley/store';
import type { Policy, Situation } from '../sending/rules/rule.js';

/** Asked once for a whole batch: any number of senders and conversations. */
async function newcomersAmong(sql: Sql, situations: readonly Situation[]): Promise<ReadonlySet<Situation>> {
  const rows = await sql.query<{ n: number }>(
    `select q.n from unnest($1::uuid[], $2::uuid[]) with ordinality as q(conversation_id, user_id, n)
     join chat.member m on m.conversation_id = q.conversation_id and m.user_id = q.user_id
     where m.joined_at > clock_timestamp() - interval '1 hour'`,
    [situations.map(({ conversation }) => conversation.id), situations.map(({ command }) => command.caller.userId)],
  );
  return new Set(rows.map(({ n }) => situations[n - 1]!));
}

/** Whoever joined less than an hour ago posts no links in a public group. */
export const newcomers: Policy<ReadonlySet<Situation>> = {
  name: 'newcomers',
  timeLimitMs: 200,
  appliesTo: ({ command, conversation }) =>
    conversation.kind === 'group' && conversation.visibility === 'public' && command.input.body.includes('://'),
  prepare: newcomersAmong,
  check: (situation, found) =>
    found.has(situation) ? new ChatError('forbidden', 'Newcomers post no links') : undefined,
};

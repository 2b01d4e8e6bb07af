import { ChatError } from '@parley/contracts';
import type { Sql } from '@parley/store';
import type { Policy, Situation } from './rule.js';

const needed = ({ conversation }: Situation): number => conversation.policy.reactionGate ?? 0;

// No more people are counted than are needed. The senders' newest messages come from the index that unread counts use.
const REACTORS = `
  select q.n, (select count(*) from (
      select distinct r.user_id from chat.reaction r
      where r.conversation_id = q.conversation_id and r.message_id = m.id and r.user_id <> q.sender_id limit q.needed) as people)::int as have
  from unnest($1::uuid[], $2::uuid[], $3::int[]) with ordinality as q(conversation_id, sender_id, needed, n)
  cross join lateral (
    select m.id from chat.message m
    where m.conversation_id = q.conversation_id and m.sender_id = q.sender_id and m.type <> 'system' and m.deleted_at is null order by m.seq desc limit 1) m`;

/** How many others reacted to each sender's newest message there. Absent: for those who have none. */
async function reactorsOf(sql: Sql, situations: readonly Situation[]): Promise<Map<Situation, number>> {
  const rows = await sql.query<{ n: number; have: number }>(REACTORS, [
    situations.map(({ conversation }) => conversation.id),
    situations.map(({ command }) => command.caller.userId),
    situations.map(needed),
  ]);
  return new Map(rows.map(({ n, have }) => [situations[n - 1]!, have]));
}

/** `policy.reactionGate`: one writes again when so many others have reacted to one's last message. Nobody is exempt. */
export const reactionGate: Policy<ReadonlyMap<Situation, number>> = {
  name: 'reaction-gate',
  appliesTo: (situation) => needed(situation) > 0,
  prepare: reactorsOf,
  check: (situation, reactors, batch) => {
    const have = batch.newest(situation) ? 0 : reactors.get(situation);
    return have === undefined || have >= needed(situation)
      ? undefined
      : new ChatError('reaction_gate', undefined, { details: { needed: needed(situation), have } });
  },
};

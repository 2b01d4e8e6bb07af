import { ChatError } from '@parley/contracts';
import type { Sql } from '@parley/store';
import { accountsOf, personBehind, personOf } from '../../people/bot-owners.js';
import type { SendContext } from '../context.js';
import type { SendRule } from './rule.js';

const needed = ({ conversation }: SendContext): number => conversation.policy.reactionGate ?? 0;

// Counts at most as many people as are needed. Finds the senders' newest messages by the index of unread counts.
const REACTORS = `
  select q.n, (select count(*) from (
      select distinct ${personBehind('r.user_id')} from chat.reaction r
      where r.conversation_id = q.conversation_id and r.message_id = m.id and ${personBehind('r.user_id')} <> q.person_id limit q.needed) as people)::int as have
  from unnest($1::uuid[], $2::uuid[], $3::int[]) with ordinality as q(conversation_id, person_id, needed, n)
  cross join lateral (
    select m.id from ${accountsOf('q.person_id')} a cross join lateral (
      select m.id, m.seq from chat.message m
      where m.conversation_id = q.conversation_id and m.sender_id = a.id and m.type <> 'system' and m.deleted_at is null order by m.seq desc limit 1) m
    order by m.seq desc limit 1) m`;

/**
 * How many other people reacted to the newest message in the conversation of each sender, their owner and the owner's
 * bots. Senders without a message are absent.
 */
async function reactorsOf(sql: Sql, contexts: readonly SendContext[]): Promise<Map<SendContext, number>> {
  const rows = await sql.query<{ n: number; have: number }>(REACTORS, [
    contexts.map(({ conversation }) => conversation.id),
    contexts.map(({ command }) => personOf(command.caller)),
    contexts.map(needed),
  ]);
  return new Map(rows.map(({ n, have }) => [contexts[n - 1]!, have]));
}

/**
 * `policy.reactionGate`: a sender may write again once that many others have reacted to their last message. No role is
 * exempt. A person and their bots count as one, as senders and as others.
 */
export const reactionGate: SendRule<ReadonlyMap<SendContext, number>> = {
  name: 'reaction-gate',
  appliesTo: (context) => needed(context) > 0,
  prepare: reactorsOf,
  check: (context, reactors, pending) => {
    const have = pending.newestOf(context) ? 0 : reactors.get(context);
    return have === undefined || have >= needed(context)
      ? undefined
      : new ChatError('reaction_gate', undefined, { details: { needed: needed(context), have } });
  },
};

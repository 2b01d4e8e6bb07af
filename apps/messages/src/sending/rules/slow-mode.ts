import { ChatError } from '@parley/contracts';
import type { Sql } from '@parley/store';
import { accountsOf, personOf } from '../../people/bot-owners.js';
import type { SendContext } from '../context.js';
import type { SendRule } from './rule.js';

const seconds = ({ conversation }: SendContext): number => conversation.policy.slowModeSeconds ?? 0;

const NEWEST = `
  select q.n, max(m.created_at) as created_at
  from unnest($1::uuid[], $2::uuid[]) with ordinality as q(conversation_id, person_id, n)
  cross join lateral ${accountsOf('q.person_id')} a
  cross join lateral (
    select m.created_at from chat.message m
    where m.conversation_id = q.conversation_id and m.sender_id = a.id and m.type <> 'system' order by m.seq desc limit 1) m
  group by q.n`;

/**
 * When each sender, their owner or one of the owner's bots last wrote in the conversation. Deleted messages count, so
 * that deleting does not shorten the wait.
 */
async function lastSentAt(sql: Sql, contexts: readonly SendContext[]): Promise<Map<SendContext, Date>> {
  const rows = await sql.query<{ n: number; created_at: Date }>(NEWEST, [
    contexts.map(({ conversation }) => conversation.id),
    contexts.map(({ command }) => personOf(command.caller)),
  ]);
  return new Map(rows.map(({ n, created_at }) => [contexts[n - 1]!, created_at]));
}

/**
 * `policy.slowModeSeconds`: members wait that long between two messages. The creator and admins do not. A person and
 * their bots count as one.
 */
export const slowMode: SendRule<ReadonlyMap<SendContext, Date>> = {
  name: 'slow-mode',
  appliesTo: (context) => seconds(context) > 0 && context.sender.role === 'member',
  prepare: lastSentAt,
  check: (context, sentAt, pending) => {
    const last = pending.newestOf(context)?.createdAt ?? sentAt.get(context);
    const waitMs = last === undefined ? 0 : last.getTime() + seconds(context) * 1000 - context.sender.now.getTime();
    return waitMs > 0 ? new ChatError('slow_mode', undefined, { retryAfterMs: waitMs }) : undefined;
  },
};

import { ChatError } from '@parley/contracts';
import type { Sql } from '@parley/store';
import type { Policy, Situation } from './rule.js';

const seconds = ({ conversation }: Situation): number => conversation.policy.slowModeSeconds ?? 0;

const NEWEST = `
  select q.n, m.created_at
  from unnest($1::uuid[], $2::uuid[]) with ordinality as q(conversation_id, sender_id, n)
  cross join lateral (
    select m.created_at from chat.message m
    where m.conversation_id = q.conversation_id and m.sender_id = q.sender_id and m.type <> 'system' order by m.seq desc limit 1) m`;

/** When each sender last wrote there; deleted messages count, so that deleting is no way round. */
async function newestOf(sql: Sql, situations: readonly Situation[]): Promise<Map<Situation, Date>> {
  const rows = await sql.query<{ n: number; created_at: Date }>(NEWEST, [
    situations.map(({ conversation }) => conversation.id),
    situations.map(({ command }) => command.caller.userId),
  ]);
  return new Map(rows.map(({ n, created_at }) => [situations[n - 1]!, created_at]));
}

/** `policy.slowModeSeconds`: members wait so long between two messages. */
export const slowMode: Policy<ReadonlyMap<Situation, Date>> = {
  name: 'slow-mode',
  appliesTo: (situation) => seconds(situation) > 0 && situation.sender.role === 'member',
  prepare: newestOf,
  check: (situation, newest, batch) => {
    const last = batch.newest(situation)?.createdAt ?? newest.get(situation);
    const waitMs = last === undefined ? 0 : last.getTime() + seconds(situation) * 1000 - situation.sender.now.getTime();
    return waitMs > 0 ? new ChatError('slow_mode', undefined, { retryAfterMs: waitMs }) : undefined;
  },
};

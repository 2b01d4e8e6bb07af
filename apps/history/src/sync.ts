import { limits, type CallInput, type CallOutput } from '@parley/contracts';
import { belongsNow, type Row, type Sql } from '@parley/store';
import { changesOf, epochOf, receiptsOf, type Behind } from './changes.js';
import { describeConversations } from './conversations.js';

type SyncAnswer = CallOutput<'sync'>;
type Entry = SyncAnswer['changes'][number];

/** What one answer carries at most; the rest follows with the next call. */
const most = { messagesPerConversation: limits.pageSize, messages: 500, conversations: 100, added: 100 } as const;

interface Mine extends Row {
  id: string; rev: number; conversation_rev: number; members_rev: number;
}
const MINE = `
  select c.id, c.rev, c.conversation_rev, c.members_rev
  from chat.member m join chat.conversation c on c.id = m.conversation_id
  where m.user_id = $1 and ${belongsNow('m')} and c.deleted_at is null
  order by c.active_at desc, c.id desc`;

/**
 * Catches a client up. `sql` must be one snapshot (REPEATABLE READ). Cursors of another epoch are ignored, and everything is `added`.
 *
 * A `rev` says nothing of receipts, which are not numbered. So the last answer also lists the conversations in which one moved after the change that the cursor
 * names, by the clock (see {@link RECEIPTS_ONLY}): never too few; too many where receipts are the newest thing that happened, which costs a few hundred bytes each.
 */
export async function sync(sql: Sql, userId: string, input: CallInput<'sync'>): Promise<SyncAnswer> {
  const epoch = await epochOf(sql);
  const cursors = new Map(input.epoch === undefined || input.epoch === epoch ? Object.entries(input.cursors) : []);
  const mine = await sql.query<Mine>(MINE, [userId]);
  const own = new Set(mine.map(({ id }) => id));
  const behind = mine.filter(({ id, rev }) => rev > (cursors.get(id) ?? Infinity)).map((row) => ({ ...row, since: cursors.get(row.id)! }));
  const absent = mine.filter(({ id }) => !cursors.has(id));

  const changes = await entries(sql, userId, epoch, fitting(behind));
  const added = await describeConversations(sql, userId, absent.slice(0, most.added).map(({ id }) => id));
  const complete = changes.length === behind.length && changes.every((entry) => entry.complete) && absent.length <= most.added;
  if (complete) changes.push(...(await receiptsOnly(sql, userId, epoch, mine.filter(({ id, rev }) => rev <= (cursors.get(id) ?? -1)), cursors)));
  return { epoch, changes, added, removed: [...cursors.keys()].filter((id) => !own.has(id)), complete };
}

/** As many as fit into one answer, by the number of changes that each can hold; always at least one. */
function fitting(behind: readonly Behind[]): Behind[] {
  let messages = 0;
  return behind.slice(0, most.conversations).filter(({ rev, since }) => {
    const before = messages;
    messages += Math.min(rev - since, most.messagesPerConversation);
    return before === 0 || messages <= most.messages;
  });
}

async function entries(sql: Sql, userId: string, epoch: string, behind: readonly Behind[]): Promise<Entry[]> {
  const changed = await changesOf(sql, userId, behind, most.messagesPerConversation);
  return [...changed].map(([conversationId, changes]) => ({ conversationId, ...changes, epoch }));
}

/**
 * Whose receipts moved after the change that a cursor names. That change is no earlier than the newest message up to it, as it is now, was last touched; a receipt
 * may become visible a while after its time (its statement's limit is 5 s), so some seconds are added.
 */
const RECEIPTS_ONLY = `
  select q.id from unnest($1::uuid[], $2::bigint[]) as q(id, since)
  join chat.conversation c on c.id = q.id
  left join lateral (
    select greatest(m.created_at, m.edited_at, m.deleted_at) as touched_at
    from chat.message m where m.conversation_id = q.id and m.rev <= q.since order by m.rev desc limit 1) m on true
  where exists (
    select 1 from history.cursor k
    where k.conversation_id = q.id and (c.member_count <= $4 or k.user_id = $3)
      and k.updated_at > coalesce(m.touched_at, c.created_at) - interval '15 seconds')`;

async function receiptsOnly(sql: Sql, userId: string, epoch: string, current: readonly Mine[], cursors: ReadonlyMap<string, number>): Promise<Entry[]> {
  if (current.length === 0) return [];
  const parameters = [current.map(({ id }) => id), current.map(({ id }) => cursors.get(id)!), userId, limits.receiptsToAllUpTo];
  const moved = new Set((await sql.query<{ id: string }>(RECEIPTS_ONLY, parameters)).map(({ id }) => id));
  const receipts = await receiptsOf(sql, userId, [...moved]);
  return current
    .filter(({ id }) => receipts.has(id))
    .map(({ id, rev }) => ({ conversationId: id, messages: [], receipts: receipts.get(id)!, rev, complete: true, epoch }));
}

import { isMemberNow, viewConversations } from '@parley/chat';
import { limits, type CallInput, type CallOutput } from '@parley/contracts';
import type { Row, Sql } from '@parley/store';
import { changesOf, epochOf, preferredSince, receiptsOf, wasThereAt, type Behind } from './changes.js';

type SyncAnswer = CallOutput<'sync'>;
type Entry = SyncAnswer['changes'][number];

/** What one answer carries at most; the rest follows with the next call. */
const most = { messagesPerConversation: limits.pageSize, messages: 500, conversations: 100, added: 100 } as const;

interface Mine extends Row {
  id: string;
  rev: number;
  conversation_rev: number;
  members_rev: number;
  drawing_rev: number;
}
const MINE = `
  select c.id, c.rev, c.conversation_rev, c.members_rev, c.drawing_rev
  from chat.member m join chat.conversation c on c.id = m.conversation_id
  where m.user_id = $1 and ${isMemberNow('m')} and c.deleted_at is null
  order by c.active_at desc, c.id desc`;

/**
 * Catches a client up. `sql` must be one snapshot (REPEATABLE READ). Cursors of another epoch are ignored, and everything is `added`.
 *
 * A `rev` says nothing of receipts and of the user's own settings, which are not numbered. So the last answer also lists the conversations in which one moved after the change that the cursor
 * names, by the clock (see {@link wasThereAt}): never too few; too many where it is the newest thing that happened, which costs a few hundred bytes each.
 *
 * Membership is as of now, by the clock: who was banned for a time has the conversation `removed` and, when that time is over, `added` again. To the others it is a change like any other, once the writer
 * has noticed (ADR 13). Who left and came back meanwhile, and kept a cursor from before, gets the changes since, among them their own joining.
 */
export async function sync(sql: Sql, userId: string, input: CallInput<'sync'>): Promise<SyncAnswer> {
  const epoch = await epochOf(sql);
  const cursors = new Map(input.epoch === undefined || input.epoch === epoch ? Object.entries(input.cursors) : []);
  const mine = await sql.query<Mine>(MINE, [userId]);
  const own = new Set(mine.map(({ id }) => id));
  const listed = mine.filter(({ id }) => cursors.has(id)).map((row) => ({ ...row, since: cursors.get(row.id)! }));
  const behind = listed.filter(({ rev, since }) => rev > since);
  const absent = mine.filter(({ id }) => !cursors.has(id));

  const changes = await entries(sql, userId, epoch, fitting(behind));
  const added = await viewConversations(
    sql,
    userId,
    absent.slice(0, most.added).map(({ id }) => id),
  );
  const complete =
    changes.length === behind.length && changes.every((entry) => entry.complete) && absent.length <= most.added;
  if (complete)
    changes.push(
      ...(await unnumbered(
        sql,
        userId,
        epoch,
        listed.filter(({ rev, since }) => rev <= since),
      )),
    );
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

const RECEIPTS_MOVED = `
  select q.id from unnest($1::uuid[], $2::bigint[]) as q(id, since)
  join chat.conversation c on c.id = q.id
  where exists (
    select 1 from history.cursor k
    where k.conversation_id = q.id and (c.member_count <= $4 or k.user_id = $3) and k.updated_at > ${wasThereAt('q', 'c')})`;

/** What is not numbered, of conversations whose cursor is not behind. One that is ahead was never given out: its entry leads back to the conversation's own `rev`. */
async function unnumbered(sql: Sql, userId: string, epoch: string, current: readonly Behind[]): Promise<Entry[]> {
  if (current.length === 0) return [];
  const parameters = [current.map(({ id }) => id), current.map(({ since }) => since), userId, limits.receiptsToAllUpTo];
  const moved = new Set((await sql.query<{ id: string }>(RECEIPTS_MOVED, parameters)).map(({ id }) => id));
  const receipts = await receiptsOf(sql, userId, [...moved]);
  const preferred = await preferredSince(sql, userId, current);
  const described = new Map(
    (await viewConversations(sql, userId, [...preferred])).map((conversation) => [conversation.id, conversation]),
  );
  return current
    .filter(({ id, rev, since }) => receipts.has(id) || described.has(id) || since > rev)
    .map(({ id, rev }) => {
      const conversation = described.get(id);
      return {
        conversationId: id,
        messages: [],
        receipts: receipts.get(id) ?? [],
        rev,
        complete: true,
        epoch,
        ...(conversation ? { conversation } : {}),
      };
    });
}

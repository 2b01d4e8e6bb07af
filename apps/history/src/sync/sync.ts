import { ANSWER_BYTES, fitting, isMemberNow, sizeOf, viewConversations } from '@parley/chat';
import { limits, type CallInput, type CallOutput } from '@parley/contracts';
import type { Row, Sql } from '@parley/store';
import { receiptsIn } from '../receipts/member-receipts.js';
import { changesOf, epochOf, preferencesChangedSince, timeOfRev, type ConversationSince } from './changes.js';

type SyncAnswer = CallOutput<'sync'>;
type Entry = SyncAnswer['changes'][number];

/** Maximum size of one answer. The rest follows with the next call. */
const max = { messagesPerConversation: limits.pageSize, messages: 500, conversations: 100, added: 100 } as const;

interface OwnConversation extends Row {
  id: string;
  rev: number;
  conversation_rev: number;
  members_rev: number;
  drawing_rev: number;
}
const OWN = `
  select c.id, c.rev, c.conversation_rev, c.members_rev, c.drawing_rev
  from chat.member m join chat.conversation c on c.id = m.conversation_id
  where m.user_id = $1 and ${isMemberNow('m')} and c.deleted_at is null
  order by c.active_at desc, c.id desc`;

/**
 * Brings a client up to date. `sql` must be one snapshot (REPEATABLE READ). Cursors of another epoch are ignored, and all conversations are `added`.
 *
 * Receipts and private settings have no `rev`. So the last answer also lists the conversations in which one of them moved after the change that the client's cursor names, by time (see
 * {@link timeOfRev}): never too few; too many where that change is the newest event, which costs a few hundred bytes each.
 *
 * Membership is as of now, by the clock: a user who was banned for a time gets the conversation `removed` and, after that time, `added` again. To others the end of a ban is a change like any
 * other, once the messages service has lifted it (ADR 13). A user who left and joined again with an old cursor gets the changes since, including their own joining.
 */
export async function sync(sql: Sql, userId: string, input: CallInput<'sync'>): Promise<SyncAnswer> {
  const epoch = await epochOf(sql);
  const cursors = new Map(input.epoch === undefined || input.epoch === epoch ? Object.entries(input.cursors) : []);
  const own = await sql.query<OwnConversation>(OWN, [userId]);
  const ownIds = new Set(own.map(({ id }) => id));
  const known = own.filter(({ id }) => cursors.has(id)).map((row) => ({ ...row, since: cursors.get(row.id)! }));
  const outdated = known.filter(({ rev, since }) => rev > since);
  const absent = own.filter(({ id }) => !cursors.has(id));

  const changes = fitting(await entriesOf(sql, userId, epoch, fitIntoAnswer(outdated)));
  const views = await viewConversations(
    sql,
    userId,
    absent.slice(0, max.added).map(({ id }) => id),
  );
  const added = fitting(views, ANSWER_BYTES - sizeOf(changes), changes.length === 0 ? 1 : 0);
  const complete =
    changes.length === outdated.length && changes.every((entry) => entry.complete) && absent.length === added.length;
  if (complete) {
    const current = known.filter(({ rev, since }) => rev <= since);
    const unnumbered = await unnumberedChanges(sql, userId, epoch, current);
    const whole = fitting(unnumbered, ANSWER_BYTES - sizeOf(changes) - sizeOf(added), 0).length;
    changes.push(
      ...unnumbered.slice(0, whole),
      ...unnumbered.slice(whole).map((entry) => withOwnReceipts(entry, userId)),
    );
  }
  return { epoch, changes, added, removed: [...cursors.keys()].filter((id) => !ownIds.has(id)), complete };
}

/** An entry without the receipts of others, for answers that are full: such entries have no `rev` at which the next answer could continue. */
const withOwnReceipts = (entry: Entry, ownId: string): Entry => ({
  ...entry,
  receipts: entry.receipts.filter(({ userId }) => userId === ownId),
});

/** As many conversations as fit into one answer, by the number of messages that each may have; at least one. */
function fitIntoAnswer(outdated: readonly ConversationSince[]): ConversationSince[] {
  let messages = 0;
  return outdated.slice(0, max.conversations).filter(({ rev, since }) => {
    const before = messages;
    messages += Math.min(rev - since, max.messagesPerConversation);
    return before === 0 || messages <= max.messages;
  });
}

async function entriesOf(
  sql: Sql,
  userId: string,
  epoch: string,
  outdated: readonly ConversationSince[],
): Promise<Entry[]> {
  const changes = await changesOf(sql, userId, outdated, max.messagesPerConversation);
  return [...changes].map(([conversationId, changed]) => ({ conversationId, ...changed, epoch }));
}

const RECEIPTS_MOVED = `
  select q.id from unnest($1::uuid[], $2::bigint[]) as q(id, since)
  join chat.conversation c on c.id = q.id
  where exists (
    select 1 from history.cursor k
    where k.conversation_id = q.id and (c.member_count <= $4 or k.user_id = $3) and k.updated_at > ${timeOfRev('q', 'c')})`;

/**
 * Changes without a `rev`, of conversations whose cursor is not behind. A cursor ahead of the conversation was never
 * returned by the server; its entry resets it to the conversation's `rev`.
 */
async function unnumberedChanges(
  sql: Sql,
  userId: string,
  epoch: string,
  current: readonly ConversationSince[],
): Promise<Entry[]> {
  if (current.length === 0) return [];
  const parameters = [current.map(({ id }) => id), current.map(({ since }) => since), userId, limits.receiptsToAllUpTo];
  const moved = new Set((await sql.query<{ id: string }>(RECEIPTS_MOVED, parameters)).map(({ id }) => id));
  const receipts = await receiptsIn(sql, userId, [...moved]);
  const preferred = await preferencesChangedSince(sql, userId, current);
  const views = new Map(
    (await viewConversations(sql, userId, [...preferred])).map((conversation) => [conversation.id, conversation]),
  );
  return current
    .filter(({ id, rev, since }) => receipts.has(id) || views.has(id) || since > rev)
    .map(({ id, rev }) => {
      const conversation = views.get(id);
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

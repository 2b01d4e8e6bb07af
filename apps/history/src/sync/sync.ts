import {
  ANSWER_BYTES,
  decodeCursor,
  encodeCursor,
  fitting,
  isMemberNow,
  sizeOf,
  viewConversations,
} from '@parley/chat';
import { Id, type CallInput, type CallOutput } from '@parley/contracts';
import type { Row, Sql } from '@parley/store';
import { z } from 'zod';
import { RECEIPT_BYTES, receiptsIn } from '../receipts/member-receipts.js';
import { changesOf, epochOf, preferencesChangedSince, timeOfRev, type ConversationSince } from './changes.js';

type SyncAnswer = CallOutput<'sync'>;
type Entry = SyncAnswer['changes'][number];

/** Maximum size of one answer. The rest follows with the next call. */
const max = { messagesPerConversation: 100, messages: 500, conversations: 100, added: 100 } as const;

interface OwnConversation extends Row {
  id: string;
  rev: number;
  conversation_rev: number;
  members_rev: number;
  drawing_rev: number;
  member_count: number;
}
const OWN = `
  select c.id, c.rev, c.conversation_rev, c.members_rev, c.drawing_rev, c.member_count
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
export async function sync(
  sql: Sql,
  userId: string,
  input: CallInput<'sync'>,
  receiptsToAllUpTo: number,
): Promise<SyncAnswer> {
  const epoch = await epochOf(sql);
  const cursors = new Map(input.epoch === undefined || input.epoch === epoch ? Object.entries(input.cursors) : []);
  const own = await sql.query<OwnConversation>(OWN, [userId]);
  const ownIds = new Set(own.map(({ id }) => id));
  const known = own.filter(({ id }) => cursors.has(id)).map((row) => ({ ...row, since: cursors.get(row.id)! }));
  const outdated = known.filter(({ rev, since }) => rev > since);
  const absent = own.filter(({ id }) => !cursors.has(id));

  const changes = fitting(
    await entriesOf(sql, userId, epoch, fitIntoAnswer(outdated, receiptsToAllUpTo), receiptsToAllUpTo),
  );
  const views = await viewConversations(
    sql,
    userId,
    absent.slice(0, max.added).map(({ id }) => id),
  );
  const added = fitting(views, ANSWER_BYTES - sizeOf(changes), changes.length === 0 ? 1 : 0);
  const answer = { epoch, changes, added, removed: [...cursors.keys()].filter((id) => !ownIds.has(id)) };
  if (changes.length < outdated.length || changes.some((entry) => !entry.complete) || added.length < absent.length)
    return { ...answer, complete: false };
  const position = input.cursor === undefined ? '' : decodeCursor('sync', UnnumberedPosition, input.cursor)[0];
  const current = known
    .filter(({ id, rev, since }) => rev <= since && id > position)
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const { entries, hasMore } = await unnumberedChanges(sql, userId, epoch, current, receiptsToAllUpTo);
  const whole = fitting(entries, ANSWER_BYTES - sizeOf(changes) - sizeOf(added), 0);
  const isWhole = whole.length === entries.length && !hasMore;
  if (isWhole || changes.length + added.length > 0)
    return { ...answer, changes: isWhole ? [...changes, ...whole] : changes, complete: isWhole };
  // The client's own cursors cannot tell where the next answer continues, because these changes have no `rev`.
  const first = whole.length > 0 ? whole : entries.slice(0, 1);
  const nextCursor = encodeCursor('sync', [first.at(-1)!.conversationId]);
  return { ...answer, changes: first, complete: true, nextCursor };
}

/** As many conversations as fit into one answer, by the number of messages and receipts that each may have; at least one. */
function fitIntoAnswer(conversations: readonly ConversationSince[], receiptsToAllUpTo: number): ConversationSince[] {
  let messages = 0;
  let receipts = 0;
  return conversations.slice(0, max.conversations).filter(({ rev, since, member_count }, at) => {
    messages += Math.min(Math.max(0, rev - since), max.messagesPerConversation);
    receipts += member_count <= receiptsToAllUpTo ? member_count : 1;
    return at === 0 || (messages <= max.messages && receipts * RECEIPT_BYTES <= ANSWER_BYTES);
  });
}

async function entriesOf(
  sql: Sql,
  userId: string,
  epoch: string,
  outdated: readonly ConversationSince[],
  receiptsToAllUpTo: number,
): Promise<Entry[]> {
  const changes = await changesOf(sql, userId, outdated, max.messagesPerConversation, receiptsToAllUpTo);
  return [...changes].map(([conversationId, changed]) => ({ conversationId, ...changed, epoch }));
}

const RECEIPTS_MOVED = `
  select q.id from unnest($1::uuid[], $2::bigint[]) as q(id, since)
  join chat.conversation c on c.id = q.id
  where exists (
    select 1 from history.cursor k
    where k.conversation_id = q.id and (c.member_count <= $4 or k.user_id = $3) and k.updated_at > ${timeOfRev('q', 'c')})`;

const UnnumberedPosition = z.tuple([Id]);

/**
 * Changes without a `rev`, of conversations whose cursor is not behind, as many as one answer may have. A cursor ahead of
 * the conversation was never returned by the server; its entry resets it to the conversation's `rev`.
 */
async function unnumberedChanges(
  sql: Sql,
  userId: string,
  epoch: string,
  current: readonly ConversationSince[],
  receiptsToAllUpTo: number,
): Promise<{ entries: Entry[]; hasMore: boolean }> {
  if (current.length === 0) return { entries: [], hasMore: false };
  const parameters = [current.map(({ id }) => id), current.map(({ since }) => since), userId, receiptsToAllUpTo];
  const moved = new Set((await sql.query<{ id: string }>(RECEIPTS_MOVED, parameters)).map(({ id }) => id));
  const preferred = await preferencesChangedSince(sql, userId, current);
  const changed = current.filter(({ id, rev, since }) => moved.has(id) || preferred.has(id) || since > rev);
  const included = fitIntoAnswer(changed, receiptsToAllUpTo);
  const idsIn = (set: ReadonlySet<string>) => included.filter(({ id }) => set.has(id)).map(({ id }) => id);
  const receipts = await receiptsIn(sql, userId, idsIn(moved), receiptsToAllUpTo);
  const views = new Map(
    (await viewConversations(sql, userId, idsIn(preferred))).map((conversation) => [conversation.id, conversation]),
  );
  const entries = included.map(({ id, rev }) => {
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
  return { entries, hasMore: included.length < changed.length };
}

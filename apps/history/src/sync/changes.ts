import {
  ANSWER_BYTES,
  memberColumns,
  messageBytes,
  messageColumns,
  sizeOf,
  toMember,
  toMessage,
  viewConversations,
  withOwnReactions,
  type MemberRow,
  type MessageRow,
  type Moment,
} from '@parley/chat';
import type { CallOutput, Conversation, Message, Receipt } from '@parley/contracts';
import type { Sql } from '@parley/store';
import { receiptsIn } from '../receipts/member-receipts.js';

/** A conversation's revs, and the `rev` up to which the client has it. */
export interface ConversationSince {
  readonly id: string;
  readonly rev: number;
  readonly conversation_rev: number;
  readonly members_rev: number;
  readonly drawing_rev: number;
  readonly member_count: number;
  readonly since: number;
}
export type Changes = Omit<CallOutput<'conversation.changes'>, 'epoch'>;
type MemberChange = NonNullable<Changes['members']>[number];

export async function epochOf(sql: Sql): Promise<string> {
  const [row] = await sql.query<{ epoch: string }>(`select epoch from chat.epoch`);
  return row!.epoch;
}

/**
 * SQL: the changed messages of the conversations in their order, by `rev`, at most $3 of each, as far as they fit into $4
 * bytes. `found`: how many there are in the conversation without that limit; `total`: in all of them.
 */
const MESSAGES = `
  with found as (
    select q.n, m.* from unnest($1::uuid[], $2::bigint[]) with ordinality as q(conversation_id, since, n)
    cross join lateral (
      select ${messageColumns('m')}, ${messageBytes('m')} as bytes from chat.message m where m.conversation_id = q.conversation_id and m.rev > q.since order by m.rev limit $3) m),
    sized as (
      select f.*, sum(bytes) over (order by n, rev) - bytes as before, count(*) over (partition by n) as found, count(*) over () as total from found f)
  select ${messageColumns('s')}, s.found, s.total from sized s where s.before < $4 order by s.n, s.rev`;
interface ChangedMessage extends MessageRow {
  found: number;
  total: number;
}
/** About how many bytes of JSON a member takes, and how many members fill an answer. */
const MEMBER_BYTES = 256;
const MAX_MEMBERS = ANSWER_BYTES / MEMBER_BYTES;
/** SQL: the changed members of the conversations in their order, by `rev`, at most $3 in all. */
const MEMBERS = `
  select m.conversation_id, m.rev, m.left_at, ${memberColumns('m', 'k')}
  from unnest($1::uuid[], $2::bigint[]) with ordinality as q(conversation_id, since, n)
  join chat.member m on m.conversation_id = q.conversation_id and m.rev > q.since
  left join history.cursor k on k.conversation_id = m.conversation_id and k.user_id = m.user_id
  order by q.n, m.rev, m.user_id limit $3`;

interface ChangedMember extends MemberRow {
  conversation_id: string;
  rev: number;
  left_at: Moment | null;
}

/**
 * SQL: a time no later than the change that a client's `rev` names, given aliases of `q (id, since)` and of the conversation. The newest message up to that `rev`, as it is now, was last
 * touched no later than that change. Rows without a `rev` may become visible some time after their own timestamp (a statement runs for 5 s at most), so some seconds are subtracted.
 */
export const timeOfRev = (since: string, conversation: string): string => `(coalesce((
    select greatest(o.created_at, o.edited_at, o.deleted_at)
    from chat.message o where o.conversation_id = ${since}.id and o.rev <= ${since}.since order by o.rev desc limit 1), ${conversation}.created_at) - interval '15 seconds')`;

const PREFERENCES = `
  select q.id from unnest($1::uuid[], $2::bigint[]) as q(id, since)
  join history.preference p on p.conversation_id = q.id and p.user_id = $3
  join chat.conversation c on c.id = q.id
  where p.updated_at > ${timeOfRev('q', 'c')}`;
/** The conversations whose private settings the user may have changed since. Settings have no `rev`, so this compares times: never too few, sometimes too many. */
export async function preferencesChangedSince(
  sql: Sql,
  userId: string,
  conversations: readonly Pick<ConversationSince, 'id' | 'since'>[],
): Promise<Set<string>> {
  if (conversations.length === 0) return new Set();
  const rows = await sql.query<{ id: string }>(PREFERENCES, [
    conversations.map(({ id }) => id),
    conversations.map(({ since }) => since),
    userId,
  ]);
  return new Set(rows.map(({ id }) => id));
}

/**
 * The changes of each conversation, at most `limit` messages each, in the order of `conversations`; of the first ones only, when
 * their messages or members fill an answer. A handful of queries for any number of conversations. `sql` must be one snapshot. Changes that are
 * cut off end at a `rev` up to which they are complete; the next call continues there. The conversation itself is included when its description, its members (and so `memberCount` and `me`) or the
 * user's own settings changed.
 */
export async function changesOf(
  sql: Sql,
  userId: string,
  conversations: readonly ConversationSince[],
  limit: number,
  receiptsToAllUpTo: number,
): Promise<Map<string, Changes>> {
  const ids = conversations.map(({ id }) => id);
  const sinces = conversations.map(({ since }) => since);
  if (ids.length === 0) return new Map();
  const messageRows = await sql.query<ChangedMessage>(MESSAGES, [ids, sinces, limit + 1, ANSWER_BYTES]);
  const last = messageRows.at(-1);
  const isCut = last !== undefined && messageRows.length < last.total;
  const memberRows = await sql.query<ChangedMember>(MEMBERS, [ids, sinces, MAX_MEMBERS + 1]);
  const members = Map.groupBy(memberRows, ({ conversation_id }) => conversation_id);
  const withMessages = isCut ? ids.indexOf(last.conversation_id) + 1 : ids.length;
  // Of the conversation at which the members were cut, some are missing.
  const withMembers =
    memberRows.length > MAX_MEMBERS ? Math.max(1, ids.indexOf(memberRows.at(-1)!.conversation_id)) : ids.length;
  const included = conversations.slice(0, Math.min(withMessages, withMembers));
  const includedIds = included.map(({ id }) => id);
  const messages = Map.groupBy(
    await withOwnReactions(sql, userId, messageRows.map(toMessage)),
    ({ conversationId }) => conversationId,
  );
  const receipts = await receiptsIn(sql, userId, includedIds, receiptsToAllUpTo);
  const preferred = await preferencesChangedSince(sql, userId, included);
  const redescribed = included.filter(
    ({ id, conversation_rev, members_rev, since }) =>
      preferred.has(id) || conversation_rev > since || members_rev > since,
  );
  const views = await viewConversations(
    sql,
    userId,
    redescribed.map(({ id }) => id),
  );
  const viewById = new Map(views.map((conversation) => [conversation.id, conversation]));
  return new Map(
    included.map((conversation) => {
      const { id } = conversation;
      const own = messages.get(id) ?? [];
      const parts = {
        messages: own,
        isCut: isCut && id === last.conversation_id && own.length < last.found,
        members: members.get(id) ?? [],
        receipts: receipts.get(id) ?? [],
        conversation: viewById.get(id),
        preferred: preferred.has(id),
      };
      return [id, assemble(conversation, limit, parts)];
    }),
  );
}

interface Parts {
  readonly messages: readonly Message[];
  /** True when further messages did not fit into the answer. */
  readonly isCut: boolean;
  readonly members: readonly ChangedMember[];
  readonly receipts: Receipt[];
  readonly conversation: Conversation | undefined;
  /** True when the user's settings may have changed. */
  readonly preferred: boolean;
}

function assemble(
  { since, rev, conversation_rev, members_rev, drawing_rev }: ConversationSince,
  limit: number,
  { messages, isCut, members, receipts, conversation, preferred }: Parts,
): Changes {
  const items = messages.slice(0, limit);
  const hasAll = !isCut && messages.length <= limit;
  const fit = members.length === 0 ? { upTo: Infinity, omitted: false } : fittingRev(items, members);
  const complete = hasAll && fit.upTo === Infinity;
  const upTo = complete ? rev : Math.min(hasAll ? rev : items.at(-1)!.rev, fit.upTo);
  const within = (at: number) => at > since && at <= upTo;
  const changedMembers = fit.omitted ? [] : members.filter((member) => member.rev <= upTo).map(toMemberChange);
  return {
    messages: items.filter((message) => message.rev <= upTo),
    receipts,
    rev: upTo,
    complete,
    ...(changedMembers.length > 0 ? { members: changedMembers } : {}),
    ...(fit.omitted ? { membersOmitted: true as const } : {}),
    ...(conversation && (within(conversation_rev) || within(members_rev) || (complete && preferred))
      ? { conversation }
      : {}),
    ...(within(drawing_rev) ? { drawing: { rev: drawing_rev } } : {}),
  };
}

/** The rev up to which the changes fit into an answer. `omitted`: not even the members of the first rev do. */
function fittingRev(
  messages: readonly Message[],
  members: readonly ChangedMember[],
): { upTo: number; omitted: boolean } {
  const changes = [
    ...messages.map((message) => ({ rev: message.rev, bytes: sizeOf(message) })),
    ...members.map((member) => ({ rev: member.rev, bytes: MEMBER_BYTES })),
  ].toSorted((a, b) => a.rev - b.rev);
  let left = ANSWER_BYTES;
  const beyond = changes.find(({ bytes }) => (left -= bytes) < 0);
  if (beyond === undefined) return { upTo: Infinity, omitted: false };
  const upTo = changes.findLast((change) => change.rev < beyond.rev)?.rev;
  return { upTo: upTo ?? beyond.rev, omitted: upTo === undefined };
}

const toMemberChange = (row: ChangedMember): MemberChange =>
  row.left_at === null ? toMember(row) : { userId: row.user_id, left: true };

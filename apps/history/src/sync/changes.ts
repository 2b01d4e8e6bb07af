import {
  deliveredSeq,
  isMemberNow,
  iso,
  memberColumns,
  messageColumns,
  readSeq,
  toMember,
  toMessage,
  viewConversations,
  withOwnReactions,
  type MemberRow,
  type MessageRow,
  type Moment,
} from '@parley/chat';
import { limits, type CallOutput, type Conversation, type Message, type Receipt } from '@parley/contracts';
import type { Row, Sql } from '@parley/store';

/** A conversation of the caller, and the `rev` that they have. */
export interface Behind {
  readonly id: string;
  readonly rev: number;
  readonly conversation_rev: number;
  readonly members_rev: number;
  readonly drawing_rev: number;
  readonly since: number;
}
export type Changed = Omit<CallOutput<'conversation.changes'>, 'epoch'>;
type MemberChange = NonNullable<Changed['members']>[number];

export async function epochOf(sql: Sql): Promise<string> {
  const [row] = await sql.query<{ epoch: string }>(`select epoch from chat.epoch`);
  return row!.epoch;
}

const MESSAGES = `
  select ${messageColumns('m')}
  from unnest($1::uuid[], $2::bigint[]) as q(conversation_id, since)
  cross join lateral (
    select ${messageColumns('m')} from chat.message m where m.conversation_id = q.conversation_id and m.rev > q.since order by m.rev limit $3) m
  order by m.conversation_id, m.rev`;
const MEMBERS = `
  select m.conversation_id, m.rev, m.left_at, ${memberColumns('m', 'k')}
  from unnest($1::uuid[], $2::bigint[]) as q(conversation_id, since)
  join chat.member m on m.conversation_id = q.conversation_id and m.rev > q.since
  left join history.cursor k on k.conversation_id = m.conversation_id and k.user_id = m.user_id
  order by m.rev, m.user_id`;
// All members' in a conversation of up to $3 members, else the caller's ($2); those who joined later begin where they joined. At 0 there is nothing to tell.
const RECEIPTS = `
  select m.conversation_id, m.user_id, ${readSeq('m', 'k')} as read_seq, ${deliveredSeq('m', 'k')} as delivered_seq, coalesce(k.updated_at, m.joined_at) as updated_at
  from unnest($1::uuid[]) as q(conversation_id)
  join chat.conversation c on c.id = q.conversation_id
  join chat.member m on m.conversation_id = c.id and ${isMemberNow('m')} and (c.member_count <= $3 or m.user_id = $2)
  left join history.cursor k on k.conversation_id = m.conversation_id and k.user_id = m.user_id
  where ${deliveredSeq('m', 'k')} > 0
  order by m.user_id`;

interface ChangedMember extends MemberRow {
  conversation_id: string;
  rev: number;
  left_at: Moment | null;
}
export interface ReceiptRow extends Row {
  conversation_id: string;
  user_id: string;
  read_seq: number;
  delivered_seq: number;
  updated_at: Moment;
}
export const toReceipt = (row: ReceiptRow): Receipt => ({
  conversationId: row.conversation_id,
  userId: row.user_id,
  deliveredSeq: row.delivered_seq,
  readSeq: row.read_seq,
  at: iso(row.updated_at),
});

const grouped = <T, R>(rows: readonly T[], key: (row: T) => string, value: (row: T) => R): Map<string, R[]> => {
  const groups = new Map<string, R[]>();
  for (const row of rows) {
    const group = groups.get(key(row));
    if (group) group.push(value(row));
    else groups.set(key(row), [value(row)]);
  }
  return groups;
};

export async function receiptsOf(sql: Sql, userId: string, ids: readonly string[]): Promise<Map<string, Receipt[]>> {
  if (ids.length === 0) return new Map();
  return grouped(
    await sql.query<ReceiptRow>(RECEIPTS, [ids, userId, limits.receiptsToAllUpTo]),
    (row) => row.conversation_id,
    toReceipt,
  );
}

/**
 * SQL: a time before the change that a cursor `q (id, since)` names, given that row's alias and the conversation's: that change is no earlier than the newest message up to it, as it is now, was
 * last touched. What is not numbered may become visible a while after its own time (a statement's limit is 5 s), so some seconds are taken off.
 */
export const wasThereAt = (cursor: string, conversation: string): string => `(coalesce((
    select greatest(o.created_at, o.edited_at, o.deleted_at)
    from chat.message o where o.conversation_id = ${cursor}.id and o.rev <= ${cursor}.since order by o.rev desc limit 1), ${conversation}.created_at) - interval '15 seconds')`;

const PREFERRED = `
  select q.id from unnest($1::uuid[], $2::bigint[]) as q(id, since)
  join history.preference p on p.conversation_id = q.id and p.user_id = $3
  join chat.conversation c on c.id = q.id
  where p.updated_at > ${wasThereAt('q', 'c')}`;
/** The conversations whose private settings the user may have changed since. Settings have no `rev`, so it goes by the clock: never too few. */
export async function preferredSince(
  sql: Sql,
  userId: string,
  conversations: readonly { readonly id: string; readonly since: number }[],
): Promise<Set<string>> {
  if (conversations.length === 0) return new Set();
  const rows = await sql.query<{ id: string }>(PREFERRED, [
    conversations.map(({ id }) => id),
    conversations.map(({ since }) => since),
    userId,
  ]);
  return new Set(rows.map(({ id }) => id));
}

/**
 * What changed in each conversation, at most `limit` messages each, in the order of `behind`; a handful of queries, however many they are. `sql` must be one snapshot.
 * A change that is cut ends at a `rev` up to which it is complete, so that the next call goes on from there. The conversation itself comes when its description, its members (so
 * `memberCount` and `me`) or the user's own settings changed.
 */
export async function changesOf(
  sql: Sql,
  userId: string,
  behind: readonly Behind[],
  limit: number,
): Promise<Map<string, Changed>> {
  const ids = behind.map(({ id }) => id);
  const sinces = behind.map(({ since }) => since);
  if (ids.length === 0) return new Map();
  const rows = await sql.query<MessageRow>(MESSAGES, [ids, sinces, limit + 1]);
  const messages = grouped(
    await withOwnReactions(sql, userId, rows.map(toMessage)),
    ({ conversationId }) => conversationId,
    (message) => message,
  );
  const members = grouped(
    await sql.query<ChangedMember>(MEMBERS, [ids, sinces]),
    (row) => row.conversation_id,
    (row) => row,
  );
  const receipts = await receiptsOf(sql, userId, ids);
  const preferred = await preferredSince(sql, userId, behind);
  const wanted = behind.filter(
    (one) => preferred.has(one.id) || one.conversation_rev > one.since || one.members_rev > one.since,
  );
  const described = new Map(
    (
      await viewConversations(
        sql,
        userId,
        wanted.map(({ id }) => id),
      )
    ).map((conversation) => [conversation.id, conversation]),
  );
  return new Map(
    behind.map((one) => {
      const { id } = one;
      const parts = {
        messages: messages.get(id) ?? [],
        members: members.get(id) ?? [],
        receipts: receipts.get(id) ?? [],
        conversation: described.get(id),
        preferred: preferred.has(id),
      };
      return [id, assemble(one, limit, parts)];
    }),
  );
}

interface Parts {
  readonly messages: readonly Message[];
  readonly members: readonly ChangedMember[];
  readonly receipts: Receipt[];
  readonly conversation: Conversation | undefined;
  readonly preferred: boolean;
}

function assemble(
  { since, rev, conversation_rev, members_rev, drawing_rev }: Behind,
  limit: number,
  { messages, members, receipts, conversation, preferred }: Parts,
): Changed {
  const complete = messages.length <= limit;
  const items = messages.slice(0, limit);
  const upTo = complete ? rev : items.at(-1)!.rev;
  const within = (at: number) => at > since && at <= upTo;
  const moved = members.filter((member) => member.rev <= upTo).map(toMemberChange);
  return {
    messages: items,
    receipts,
    rev: upTo,
    complete,
    ...(moved.length > 0 ? { members: moved } : {}),
    ...(conversation && (within(conversation_rev) || within(members_rev) || (complete && preferred))
      ? { conversation }
      : {}),
    ...(within(drawing_rev) ? { drawing: { rev: drawing_rev } } : {}),
  };
}

const toMemberChange = (row: ChangedMember): MemberChange =>
  row.left_at === null ? toMember(row) : { userId: row.user_id, left: true };

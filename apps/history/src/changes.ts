import { limits, type CallOutput, type Conversation, type Message, type Receipt } from '@parley/contracts';
import { belongsNow, iso, messageColumns, toMember, toMessage, type MemberRow, type MessageRow, type Moment, type Row, type Sql } from '@parley/store';
import { describeConversations, memberColumns } from './conversations.js';
import { deliveredSeq, readSeq } from './membership.js';

/** A conversation of the caller, and the `rev` that they have. */
export interface Behind {
  readonly id: string;
  readonly rev: number;
  readonly conversation_rev: number;
  readonly members_rev: number;
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
  join chat.member m on m.conversation_id = c.id and ${belongsNow('m')} and (c.member_count <= $3 or m.user_id = $2)
  left join history.cursor k on k.conversation_id = m.conversation_id and k.user_id = m.user_id
  where ${deliveredSeq('m', 'k')} > 0
  order by m.user_id`;

interface ChangedMember extends MemberRow {
  conversation_id: string; rev: number; left_at: Moment | null;
}
export interface ReceiptRow extends Row {
  conversation_id: string; user_id: string; read_seq: number; delivered_seq: number; updated_at: Moment;
}
export const toReceipt = (row: ReceiptRow): Receipt => ({
  conversationId: row.conversation_id, userId: row.user_id, deliveredSeq: row.delivered_seq, readSeq: row.read_seq, at: iso(row.updated_at),
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
  return grouped(await sql.query<ReceiptRow>(RECEIPTS, [ids, userId, limits.receiptsToAllUpTo]), (row) => row.conversation_id, toReceipt);
}

/**
 * What changed in each conversation, at most `limit` messages each, in the order of `behind`; four queries, however many they are. `sql` must be one snapshot.
 * A change that is cut ends at a `rev` up to which it is complete, so that the next call goes on from there.
 */
export async function changesOf(sql: Sql, userId: string, behind: readonly Behind[], limit: number): Promise<Map<string, Changed>> {
  const ids = behind.map(({ id }) => id);
  const sinces = behind.map(({ since }) => since);
  if (ids.length === 0) return new Map();
  const messages = grouped(await sql.query<MessageRow>(MESSAGES, [ids, sinces, limit + 1]), (row) => row.conversation_id, toMessage);
  const members = grouped(await sql.query<ChangedMember>(MEMBERS, [ids, sinces]), (row) => row.conversation_id, (row) => row);
  const receipts = await receiptsOf(sql, userId, ids);
  const described = await describeConversations(sql, userId, behind.filter(({ conversation_rev, since }) => conversation_rev > since).map(({ id }) => id));
  const byId = new Map(described.map((conversation) => [conversation.id, conversation]));
  return new Map(behind.map((one) => [one.id, assemble(one, limit, messages.get(one.id) ?? [], members.get(one.id) ?? [], receipts.get(one.id) ?? [], byId.get(one.id))]));
}

function assemble(
  { rev, conversation_rev }: Behind, limit: number, messages: readonly Message[], members: readonly ChangedMember[], receipts: Receipt[], conversation?: Conversation,
): Changed {
  const complete = messages.length <= limit;
  const items = messages.slice(0, limit);
  const upTo = complete ? rev : items.at(-1)!.rev;
  const moved = members.filter((member) => member.rev <= upTo).map(toMemberChange);
  return {
    messages: items, receipts, rev: upTo, complete,
    ...(moved.length > 0 ? { members: moved } : {}),
    ...(conversation && conversation_rev <= upTo ? { conversation } : {}),
  };
}

const toMemberChange = (row: ChangedMember): MemberChange => (row.left_at === null ? toMember(row) : { userId: row.user_id, left: true });

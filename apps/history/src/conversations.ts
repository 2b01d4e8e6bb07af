import { foldName, limits, partPattern, type CallInput, type Conversation, type Member } from '@parley/contracts';
import {
  belongsNow,
  conversationColumns,
  memberIdsColumn,
  messageColumns,
  statusNow,
  toConversation,
  toMember,
  toMembership,
  toMessage,
  type ConversationRow,
  type MemberRow,
  type MembershipRow,
  type MessageRow,
  type Moment,
  type Sql,
} from '@parley/store';
import { pageByTime, type ListRequest, type Page, type TimePlace } from './cursor.js';
import { deliveredSeq, membershipColumns, preferenceJoin, readSeq } from './membership.js';
import { withMine } from './reactions.js';

interface Item extends ConversationRow {
  active_at: Moment;
  me: MembershipRow | null;
  last_message: MessageRow | null;
}
/** A conversation `c` with the membership of user $1 and its newest message. Those who are no members get the bare description. */
const ITEM_COLUMNS = `${conversationColumns('c')}, ${memberIdsColumn('c')}, c.active_at, to_jsonb(mine) as me, to_jsonb(l) as last_message`;
const ITEM_JOINS = `
  left join lateral (
    select ${membershipColumns('c', 'm', 'k', 'p')}
    from chat.member m left join history.cursor k on k.conversation_id = m.conversation_id and k.user_id = m.user_id ${preferenceJoin('m', 'p')}
    where m.conversation_id = c.id and m.user_id = $1 and ${belongsNow('m')}) mine on true
  left join lateral (
    select ${messageColumns('l')} from chat.message l where l.conversation_id = c.id and l.seq = c.last_seq and mine.role is not null) l on true`;

/** Conversations as the user sees them; their newest messages with the user's reactions. */
async function toItems(sql: Sql, userId: string, rows: readonly Item[]): Promise<Conversation[]> {
  const items = rows.map((row) =>
    toConversation(
      row,
      row.me ? toMembership(row.me) : undefined,
      row.last_message ? toMessage(row.last_message) : undefined,
    ),
  );
  await withMine(
    sql,
    userId,
    items.flatMap(({ lastMessage }) => lastMessage ?? []),
  );
  return items;
}

const BY_ID = `select ${ITEM_COLUMNS} from chat.conversation c ${ITEM_JOINS} where c.id = any($2::uuid[]) and c.deleted_at is null order by c.active_at desc, c.id desc`;
/** Conversations as `userId` sees them, most recently active first. The caller has checked that they may. */
export async function describeConversations(sql: Sql, userId: string, ids: readonly string[]): Promise<Conversation[]> {
  if (ids.length === 0) return [];
  return toItems(sql, userId, await sql.query<Item>(BY_ID, [userId, ids]));
}

/** Of a list's page the conversations that `ids` selects (`page_id` of at most $4, beyond the place $2, $3), in its order. The page is cut before anything is counted. */
const listed = (ids: string, order: 'active_at' | 'created_at'): string =>
  `with page as (${ids}) select ${ITEM_COLUMNS} from page join chat.conversation c on c.id = page_id ${ITEM_JOINS} order by c.${order} desc, c.id desc`;
const beyond = (order: 'active_at' | 'created_at'): string =>
  `($2::timestamptz is null or (c.${order}, c.id) < ($2::timestamptz, $3::uuid))`;

const LIST = listed(
  `
  select c.id as page_id from chat.member m join chat.conversation c on c.id = m.conversation_id
  where m.user_id = $1 and ${belongsNow('m')} and c.deleted_at is null and ${beyond('active_at')}
  order by c.active_at desc, c.id desc limit $4`,
  'active_at',
);

/** A user's conversations, most recently active first. */
export async function listConversations(sql: Sql, userId: string, request: ListRequest): Promise<Page<Conversation>> {
  const { rows, ...next } = await pageByTime(
    'mine',
    request,
    ({ at, id }, limit) => sql.query<Item>(LIST, [userId, at, id, limit]),
    (row) => [row.active_at, row.id],
  );
  return { items: await toItems(sql, userId, rows), ...next };
}

// Two texts, so that a part of a title finds its index, and its absence the order's.
const listPublic = (order: 'active_at' | 'created_at', part: boolean): string =>
  listed(
    `
  select c.id as page_id from chat.conversation c
  where c.visibility = 'public' and c.deleted_at is null and ${beyond(order)} ${part ? 'and c.folded_title like $5' : ''}
    and not exists (select 1 from chat.member b where b.conversation_id = c.id and b.user_id = $1 and ${statusNow('b')} = 'banned')
  order by c.${order} desc, c.id desc limit $4`,
    order,
  );

/** Public conversations, by a part of their title, newest or most recently active first; without those from which the user is banned. */
export async function listPublicConversations(
  sql: Sql,
  userId: string,
  { query, order, ...request }: CallInput<'conversation.public'>,
): Promise<Page<Conversation>> {
  const by = order === 'active' ? 'active_at' : 'created_at';
  const pattern = query === undefined ? [] : [partPattern(foldName(query))];
  const text = listPublic(by, pattern.length > 0);
  const { rows, ...next } = await pageByTime(
    `public ${by}`,
    request,
    ({ at, id }, limit) => sql.query<Item>(text, [userId, at, id, limit, ...pattern]),
    (row) => [row[by], row.id],
  );
  return { items: await toItems(sql, userId, rows), ...next };
}

/** SQL: the columns of a `MemberRow`, given aliases of `chat.member` and `history.cursor`. */
export const memberColumns = (member: string, cursor: string): string =>
  `${member}.user_id, ${member}.role, ${statusNow(member)} as status, ${member}.muted_until, ${member}.banned_until, ${member}.joined_at,
   ${readSeq(member, cursor)} as read_seq, ${deliveredSeq(member, cursor)} as delivered_seq`;

const MEMBERS = `
  select ${memberColumns('m', 'k')}
  from chat.member m left join history.cursor k on k.conversation_id = m.conversation_id and k.user_id = m.user_id
  where m.conversation_id = $1 and m.left_at is null and ($2::timestamptz is null or (m.joined_at, m.user_id) > ($2::timestamptz, $3::uuid))
  order by m.joined_at, m.user_id limit $4`;
/** Members in the order of joining, those banned among them. */
export async function listMembers(sql: Sql, conversationId: string, request: ListRequest): Promise<Page<Member>> {
  const read = ({ at, id }: TimePlace, limit: number) => sql.query<MemberRow>(MEMBERS, [conversationId, at, id, limit]);
  const { rows, ...next } = await pageByTime('members', request, read, (row) => [row.joined_at, row.user_id]);
  return { items: rows.map(toMember), ...next };
}

/** All members of a conversation that is small enough to list them; undefined for a larger one. */
export async function allMembers(sql: Sql, conversationId: string, memberCount: number): Promise<Member[] | undefined> {
  if (memberCount > limits.receiptsToAllUpTo) return undefined;
  return (await listMembers(sql, conversationId, { limit: limits.receiptsToAllUpTo * 2 })).items;
}

import {
  conversationViewColumns,
  conversationViewJoins,
  isMemberNow,
  memberColumns,
  pageByTime,
  statusNow,
  toConversationViews,
  toMember,
  type ConversationViewRow,
  type ListRequest,
  type MemberRow,
  type Page,
  type TimePlace,
} from '@parley/chat';
import { foldName, limits, partPattern, type CallInput, type Conversation, type Member } from '@parley/contracts';
import type { Sql } from '@parley/store';

/** Of a list's page the conversations that `ids` selects (`page_id` of at most $4, beyond the place $2, $3), in its order. The page is cut before anything is counted. */
const listed = (ids: string, order: 'active_at' | 'created_at'): string =>
  `with page as (${ids}) select ${conversationViewColumns} from page join chat.conversation c on c.id = page_id ${conversationViewJoins} order by c.${order} desc, c.id desc`;
const beyond = (order: 'active_at' | 'created_at'): string =>
  `($2::timestamptz is null or (c.${order}, c.id) < ($2::timestamptz, $3::uuid))`;

const LIST = listed(
  `
  select c.id as page_id from chat.member m join chat.conversation c on c.id = m.conversation_id
  where m.user_id = $1 and ${isMemberNow('m')} and c.deleted_at is null and ${beyond('active_at')}
  order by c.active_at desc, c.id desc limit $4`,
  'active_at',
);

/** A user's conversations, most recently active first. */
export async function listConversations(sql: Sql, userId: string, request: ListRequest): Promise<Page<Conversation>> {
  const { rows, ...next } = await pageByTime(
    'mine',
    request,
    ({ at, id }, limit) => sql.query<ConversationViewRow>(LIST, [userId, at, id, limit]),
    (row) => [row.active_at, row.id],
  );
  return { items: await toConversationViews(sql, userId, rows), ...next };
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
    ({ at, id }, limit) => sql.query<ConversationViewRow>(text, [userId, at, id, limit, ...pattern]),
    (row) => [row[by], row.id],
  );
  return { items: await toConversationViews(sql, userId, rows), ...next };
}

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

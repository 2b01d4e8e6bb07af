import {
  admitsGuests,
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
import {
  ChatError,
  foldName,
  partPattern,
  type CallInput,
  type CallOutput,
  type Conversation,
  type Member,
} from '@parley/contracts';
import type { Row, Sql } from '@parley/store';

type Order = 'active_at' | 'created_at';

/**
 * SQL: the page of a list whose ids `ids` selects as `page_id`, at most $4 beyond the place ($2, $3), as user $1 sees them. Selects the page before counting unread messages, which is costly.
 */
const pageOf = (ids: string, order: Order): string =>
  `with page as (${ids}) select ${conversationViewColumns} from page join chat.conversation c on c.id = page_id ${conversationViewJoins} order by c.${order} desc, c.id desc`;
const beyondPlace = (order: Order): string =>
  `($2::timestamptz is null or (c.${order}, c.id) < ($2::timestamptz, $3::uuid))`;

const OWN = pageOf(
  `
  select c.id as page_id from chat.member m join chat.conversation c on c.id = m.conversation_id
  where m.user_id = $1 and ${isMemberNow('m')} and c.deleted_at is null and ${beyondPlace('active_at')}
  order by c.active_at desc, c.id desc limit $4`,
  'active_at',
);

/** A user's conversations, most recently active first. */
export async function listConversations(sql: Sql, userId: string, request: ListRequest): Promise<Page<Conversation>> {
  const { rows, ...next } = await pageByTime(
    'mine',
    request,
    ({ at, id }, limit) => sql.query<ConversationViewRow>(OWN, [userId, at, id, limit]),
    (row) => [row.active_at, row.id],
  );
  return { items: await toConversationViews(sql, userId, rows), ...next };
}

// Two texts, so that a search by title uses its index, and a list without one uses the index of the order.
const publicPage = (order: Order, byTitle: boolean): string =>
  pageOf(
    `
  select c.id as page_id from chat.conversation c
  where c.visibility = 'public' and c.deleted_at is null and ${beyondPlace(order)} ${byTitle ? 'and c.folded_title like $5' : ''}
    and not exists (select 1 from chat.member b where b.conversation_id = c.id and b.user_id = $1 and ${statusNow('b')} = 'banned')
  order by c.${order} desc, c.id desc limit $4`,
    order,
  );

/** Public conversations, optionally by a part of their title, newest or most recently active first. Without those from which the user is banned. */
export async function listPublicConversations(
  sql: Sql,
  userId: string,
  { query, order, ...request }: CallInput<'conversation.public'>,
): Promise<Page<Conversation>> {
  const column = order === 'active' ? 'active_at' : 'created_at';
  const pattern = query === undefined ? [] : [partPattern(foldName(query))];
  const text = publicPage(column, pattern.length > 0);
  const { rows, ...next } = await pageByTime(
    `public ${column}`,
    request,
    ({ at, id }, limit) => sql.query<ConversationViewRow>(text, [userId, at, id, limit, ...pattern]),
    (row) => [row[column], row.id],
  );
  return { items: await toConversationViews(sql, userId, rows), ...next };
}

interface RoomRow extends Row {
  id: string;
  kind: Conversation['kind'];
  title: string | null;
  topic: string | null;
  color: string | null;
  policy: Conversation['policy'];
  member_count: number;
}
/** What anybody may know of a public conversation that admits guests. Others do not exist for a caller without a session. */
export async function describeRoom(sql: Sql, id: string): Promise<CallOutput<'room.get'>['room']> {
  const [row] = await sql.query<RoomRow>(
    `select id, kind, title, topic, color, policy, member_count from chat.conversation where id = $1 and visibility = 'public' and deleted_at is null`,
    [id],
  );
  if (!row || !admitsGuests(row.policy)) throw new ChatError('not_found', 'No such room');
  const { kind, title, topic, color, member_count: memberCount } = row;
  return {
    id,
    kind,
    memberCount,
    ...(title !== null && { title }),
    ...(topic !== null && { topic }),
    ...(color !== null && { color }),
  };
}

const MEMBERS = `
  select ${memberColumns('m', 'k')}
  from chat.member m left join history.cursor k on k.conversation_id = m.conversation_id and k.user_id = m.user_id
  where m.conversation_id = $1 and m.left_at is null and ($2::timestamptz is null or (m.joined_at, m.user_id) > ($2::timestamptz, $3::uuid))
  order by m.joined_at, m.user_id limit $4`;
/** Members in the order of joining, banned ones included. Does not check access. */
export async function listMembers(sql: Sql, conversationId: string, request: ListRequest): Promise<Page<Member>> {
  const read = ({ at, id }: TimePlace, limit: number) => sql.query<MemberRow>(MEMBERS, [conversationId, at, id, limit]);
  const { rows, ...next } = await pageByTime('members', request, read, (row) => [row.joined_at, row.user_id]);
  return { items: rows.map(toMember), ...next };
}

/** All members of a small conversation, banned ones included; undefined for a large one. */
export async function allMembers(
  sql: Sql,
  conversationId: string,
  memberCount: number,
  receiptsToAllUpTo: number,
): Promise<Member[] | undefined> {
  if (memberCount > receiptsToAllUpTo) return undefined;
  const { items, nextCursor } = await listMembers(sql, conversationId, { limit: receiptsToAllUpTo * 2 });
  return nextCursor === undefined ? items : undefined;
}

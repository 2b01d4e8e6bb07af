import {
  blockBetween,
  conversationColumns,
  memberIdsColumn,
  messageColumns,
  statusNow,
  type ConversationRow,
  type MembershipRow,
  type MessageRow,
} from '@parley/chat';
import { foldName, type Policy } from '@parley/contracts';
import type { Row, Sql } from '@parley/store';

/** A conversation to be stored. Its members are given apart; `createdBy` is one of them and its creator. */
export interface NewConversation {
  readonly id: string;
  readonly kind: string;
  readonly visibility: string;
  readonly createdBy: string;
  readonly title: string | undefined;
  readonly topic: string | undefined;
  readonly color: string | undefined;
  readonly policy: Policy;
}

// One statement each, so that nobody ever sees a part of it. What exists under the id stays as it is.
const CREATE_DIRECT = `
  with pair as (
    insert into chat.direct_pair (low, high, conversation_id) select least($2::uuid, $3::uuid), greatest($2::uuid, $3::uuid), $1::uuid where not ${blockBetween('$2::uuid', '$3::uuid')}
    on conflict (low, high) do nothing returning conversation_id),
  conversation as (
    insert into chat.conversation (id, kind, visibility, created_by, created_at, active_at, rev, conversation_rev, members_rev, member_count)
    select conversation_id, 'direct', 'private', $2::uuid, now(), now(), 1, 1, 1, 2 from pair)
  insert into chat.member (conversation_id, user_id, role, joined_at, rev)
  select conversation_id, user_id, 'creator', now(), 1 from pair, unnest(array[$2::uuid, $3::uuid]) as user_id`;
const PAIR = `
  select (select conversation_id from chat.direct_pair where low = least($1::uuid, $2::uuid) and high = greatest($1::uuid, $2::uuid)) as id, ${blockBetween('$1::uuid', '$2::uuid')} as blocked`;

/**
 * The one conversation of two people: a new one under `id`, or the one that exists; undefined when there is none and one of them blocks the other. Waits for a concurrent creation of the
 * same pair.
 */
export async function createDirect(
  sql: Sql,
  id: string,
  creator: string,
  other: string,
): Promise<{ id: string | undefined; blocked: boolean }> {
  await sql.query(CREATE_DIRECT, [id, creator, other]);
  const [pair] = await sql.query<{ id: string | null; blocked: boolean }>(PAIR, [creator, other]);
  return { id: pair!.id ?? undefined, blocked: pair!.blocked };
}

// The creation is rev 1; the system message that tells of it is seq 1 and rev 2.
const CREATE_GROUP = `
  with conversation as (
    insert into chat.conversation (id, kind, visibility, created_by, title, folded_title, topic, color, policy, created_at, active_at, last_seq, rev, conversation_rev, members_rev, member_count)
    values ($1, $2, $3, $4, $5, $12, $6, $7, $8::jsonb, now(), now(), 1, 2, 1, 1, cardinality($9::uuid[]))
    on conflict (id) do nothing returning id),
  message as (
    insert into chat.message (conversation_id, seq, rev, id, sender_id, client_id, type, body, system, created_at)
    select id, 1, 2, $10, $4, $11, 'system', '', '{"kind": "created"}', now() from conversation)
  insert into chat.member (conversation_id, user_id, role, joined_at, rev)
  select id, user_id, case when user_id = $4 then 'creator' else 'member' end, now(), 1 from conversation, unnest($9::uuid[]) as user_id`;

/** Stores a group or channel with its members and its first, system, message; does nothing when `id` is there already. */
export async function createGroup(
  sql: Sql,
  conversation: NewConversation,
  memberIds: readonly string[],
  message: { id: string; clientId: string },
): Promise<void> {
  const { id, kind, visibility, createdBy, title, topic, color, policy } = conversation;
  await sql.query(CREATE_GROUP, [
    id,
    kind,
    visibility,
    createdBy,
    title,
    topic,
    color,
    policy,
    memberIds,
    message.id,
    message.clientId,
    title === undefined ? undefined : foldName(title),
  ]);
}

export interface Described extends ConversationRow {
  me: MembershipRow;
  last_message: MessageRow | null;
}
// The read cursors are the history service's: what a member has before the first receipt stands for them here.
const DESCRIBE = `
  select ${conversationColumns('c')}, ${memberIdsColumn('c')}, to_jsonb(m) as me, to_jsonb(l) as last_message
  from chat.conversation c
  join lateral (
    select m.role, ${statusNow('m')} as status, m.muted_until, 'all' as notifications, null::bigint as unread_from, m.base_seq as read_seq, m.base_seq as delivered_seq, 0 as unread, 0 as mentions
    from chat.member m where m.conversation_id = c.id and m.user_id = $2) m on true
  left join lateral (
    select ${messageColumns('l')} from chat.message l where l.conversation_id = c.id and l.seq = c.last_seq) l on true
  where c.id = $1`;
/** A conversation as one of its members sees it right after its creation. */
export async function describe(sql: Sql, id: string, userId: string): Promise<Described | undefined> {
  const [row] = await sql.query<Described>(DESCRIBE, [id, userId]);
  return row;
}

export interface MemberRole extends Row {
  user_id: string;
  role: 'creator' | 'admin' | 'member';
}
export const rolesOf = (sql: Sql, id: string): Promise<MemberRole[]> =>
  sql.query<MemberRole>(
    `select user_id, role from chat.member where conversation_id = $1 and left_at is null order by user_id`,
    [id],
  );

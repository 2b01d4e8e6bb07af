import { blockWithAny, deliveredSeq, readSeq, statusNow, type MemberRow } from '@parley/chat';
import { foldName, type Policy, type Role } from '@parley/contracts';
import type { Row, Sql } from '@parley/store';

/** A group or channel to store. */
export interface NewConversation {
  readonly id: string;
  readonly kind: string;
  readonly visibility: string;
  readonly createdBy: string;
  /** The person who answers for the creator's additions: a bot's owner. */
  readonly addedBy: string;
  readonly title: string | undefined;
  readonly topic: string | undefined;
  readonly color: string | undefined;
  readonly policy: Policy;
}

// One statement, so that the conversation appears with its members. An existing pair stays as it is.
const CREATE_DIRECT = `
  with pair as (
    insert into chat.direct_pair (low, high, conversation_id) select least($2::uuid, $3::uuid), greatest($2::uuid, $3::uuid), $1::uuid where not ${blockWithAny('$4::uuid[]', '$3::uuid')}
    on conflict (low, high) do nothing returning conversation_id),
  conversation as (
    insert into chat.conversation (id, kind, visibility, created_by, created_at, active_at, rev, conversation_rev, members_rev, member_count)
    select conversation_id, 'direct', 'private', $2::uuid, now(), now(), 1, 1, 1, 2 from pair)
  insert into chat.member (conversation_id, user_id, role, joined_at, rev)
  select conversation_id, user_id, 'creator', now(), 1 from pair, unnest(array[$2::uuid, $3::uuid]) as user_id`;
const PAIR = `
  select (select conversation_id from chat.direct_pair where low = least($1::uuid, $2::uuid) and high = greatest($1::uuid, $2::uuid)) as id, ${blockWithAny('$3::uuid[]', '$2::uuid')} as blocked`;

/**
 * The one direct conversation of two people: the existing one, or a new one under `id`. `id` is undefined when there is
 * none and one of them blocks the other. `identities`: the creator, and the owner of a bot, whose blocks count as well.
 * Waits for a concurrent creation of the same pair.
 */
export async function createDirect(
  sql: Sql,
  id: string,
  creator: string,
  other: string,
  identities: readonly string[],
): Promise<{ id: string | undefined; blocked: boolean }> {
  await sql.query(CREATE_DIRECT, [id, creator, other, identities]);
  const [pair] = await sql.query<{ id: string | null; blocked: boolean }>(PAIR, [creator, other, identities]);
  return { id: pair!.id ?? undefined, blocked: pair!.blocked };
}

// The creation is rev 1; its system message is seq 1 and rev 2.
const CREATE_GROUP = `
  with conversation as (
    insert into chat.conversation (id, kind, visibility, created_by, title, folded_title, topic, color, policy, created_at, active_at, last_seq, rev, conversation_rev, members_rev, member_count)
    values ($1, $2, $3, $4, $5, $12, $6, $7, $8::jsonb, now(), now(), 1, 2, 1, 1, cardinality($9::uuid[]))
    on conflict (id) do nothing returning id),
  message as (
    insert into chat.message (conversation_id, seq, rev, id, sender_id, client_id, type, body, system, created_at)
    select id, 1, 2, $10, $4, $11, 'system', '', '{"kind": "created"}', now() from conversation)
  insert into chat.member (conversation_id, user_id, role, joined_at, rev, added_by)
  select id, user_id, case when user_id = $4 then 'creator' else 'member' end, now(), 1, case when user_id <> $4 then $13::uuid end from conversation, unnest($9::uuid[]) as user_id`;

/**
 * Stores a group or channel with its members, including the creator, and its first system message. Does nothing if the
 * id exists.
 */
export async function createGroup(
  sql: Sql,
  conversation: NewConversation,
  memberIds: readonly string[],
  message: { id: string; clientId: string },
): Promise<void> {
  const { id, kind, visibility, createdBy, addedBy, title, topic, color, policy } = conversation;
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
    addedBy,
  ]);
}

export interface MemberRole extends Row {
  user_id: string;
  role: Role;
}
export const rolesOf = (sql: Sql, id: string): Promise<MemberRole[]> =>
  sql.query<MemberRole>(
    `select user_id, role from chat.member where conversation_id = $1 and left_at is null order by user_id`,
    [id],
  );

/** A member as stored, with their positions. The row of a member who left or is banned is kept. */
export interface StoredMember extends MemberRow {
  role: Role;
  muted_until: Date | null;
  banned_until: Date | null;
  joined_at: Date;
  base_seq: number;
  rev: number;
  left_at: Date | null;
  /** The person who added the member, also by a bot; null for those who joined by themselves. */
  added_by: string | null;
  /**
   * True when `member_count` includes the member: has not left, and is not stored as banned. An expired ban stays
   * stored until `ExpiredBans` lifts it.
   */
  counted: boolean;
}
// The history service writes the cursors; they are read here to show the member's positions (ADR 12).
const FIND_MEMBER = `
  select m.user_id, m.role, ${statusNow('m')} as status, m.muted_until, m.banned_until, m.joined_at, m.base_seq, m.rev, m.left_at, m.added_by, m.left_at is null and m.status <> 'banned' as counted,
    ${readSeq('m', 'k')} as read_seq, ${deliveredSeq('m', 'k')} as delivered_seq
  from chat.member m left join history.cursor k on k.conversation_id = m.conversation_id and k.user_id = m.user_id
  where m.conversation_id = $1 and m.user_id = $2`;
/** Exact under the conversation's lock, except for the positions, which receipts may move at any time. */
export async function findMember(sql: Sql, conversationId: string, userId: string): Promise<StoredMember | undefined> {
  const [member] = await sql.query<StoredMember>(FIND_MEMBER, [conversationId, userId]);
  return member;
}

const STORE_MEMBER = `
  insert into chat.member (conversation_id, user_id, role, status, muted_until, banned_until, joined_at, base_seq, rev, left_at, added_by)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
  on conflict (conversation_id, user_id) do update set role = excluded.role, status = excluded.status, muted_until = excluded.muted_until, banned_until = excluded.banned_until,
    joined_at = excluded.joined_at, base_seq = excluded.base_seq, rev = excluded.rev, left_at = excluded.left_at, added_by = excluded.added_by`;
export async function storeMember(sql: Sql, conversationId: string, member: StoredMember): Promise<void> {
  const { user_id, role, status, muted_until, banned_until, joined_at, base_seq, rev, left_at, added_by } = member;
  await sql.query(STORE_MEMBER, [
    conversationId,
    user_id,
    role,
    status,
    muted_until,
    banned_until,
    joined_at,
    base_seq,
    rev,
    left_at,
    added_by,
  ]);
}

const NO_RETURN = `interval '1 day'`;
const RECORD_DEPARTURE = `
  with outdated as (delete from chat.departure where conversation_id = $1 and user_id = $2 and added_by <> $3 and left_at <= $4::timestamptz - ${NO_RETURN})
  insert into chat.departure (conversation_id, user_id, added_by, left_at) values ($1, $2, $3, $4)
  on conflict (conversation_id, user_id, added_by) do update set left_at = excluded.left_at`;
/** Records that a member left whom somebody had added: see {@link findAdditionFacts}. */
export async function recordDeparture(
  sql: Sql,
  conversationId: string,
  { user_id, added_by }: StoredMember,
  now: Date,
): Promise<void> {
  if (added_by !== null) await sql.query(RECORD_DEPARTURE, [conversationId, user_id, added_by, now]);
}

export interface AdditionFacts extends Row {
  /** The user blocks the caller or a bot's owner. */
  blocked: boolean;
  /** The user left within a day, after the caller, a bot's owner or another of their bots had added them. */
  left: boolean;
}
const ADDITION_FACTS = `
  select exists (select 1 from chat.block where blocker_id = $2 and blocked_id = any($3::uuid[])) as blocked,
    exists (select 1 from chat.departure where conversation_id = $1 and user_id = $2 and added_by = any($3::uuid[]) and left_at > $4::timestamptz - ${NO_RETURN}) as left`;
/** What decides whether a caller, with all {@link identitiesOf} them, may add a user who exists and is not a member. */
export async function findAdditionFacts(
  sql: Sql,
  conversationId: string,
  userId: string,
  identities: readonly string[],
  now: Date,
): Promise<AdditionFacts> {
  const [facts] = await sql.query<AdditionFacts>(ADDITION_FACTS, [conversationId, userId, identities, now]);
  return facts!;
}

/**
 * True when one of the users blocks one of the caller's identities, and no conversation with this id exists: a repeated request is answered,
 * whoever blocks whom since.
 */
export async function isCreationBlocked(
  sql: Sql,
  id: string,
  identities: readonly string[],
  userIds: readonly string[],
): Promise<boolean> {
  const blocks = await sql.query(
    `select 1 from chat.block where blocked_id = any($2::uuid[]) and blocker_id = any($3::uuid[]) and not exists (select 1 from chat.conversation where id = $1) limit 1`,
    [id, identities, userIds],
  );
  return blocks.length > 0;
}

/** Members whose ban has expired and is not lifted yet. */
export const findExpiredBans = (sql: Sql, limit: number): Promise<{ conversation_id: string; user_id: string }[]> =>
  sql.query(
    `select conversation_id, user_id from chat.member where status = 'banned' and left_at is null and banned_until <= clock_timestamp() order by banned_until limit $1`,
    [limit],
  );

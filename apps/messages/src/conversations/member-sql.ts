import {
  deliveredSeq,
  membershipColumns,
  messageColumns,
  preferenceJoin,
  readSeq,
  statusNow,
  toMembership,
  toMessage,
  type MemberRow,
  type MembershipRow,
  type MessageRow,
} from '@parley/chat';
import type { Membership, Message, Policy, Role } from '@parley/contracts';
import type { Sql } from '@parley/store';

/** A member as stored, with their positions. Whoever left, or is banned, stays as a row. */
export interface StoredMember extends MemberRow {
  role: Role;
  muted_until: Date | null;
  banned_until: Date | null;
  joined_at: Date;
  base_seq: number;
  rev: number;
  left_at: Date | null;
  /** Whether `member_count` counts them: has not left, and is not stored as banned. A ban whose time is over is stored until it is lifted (`Bans`). */
  counted: boolean;
}
// The cursors are the history service's (ADR 12): a member's positions are theirs to show, never to write.
const FIND = `
  select m.user_id, m.role, ${statusNow('m')} as status, m.muted_until, m.banned_until, m.joined_at, m.base_seq, m.rev, m.left_at, m.left_at is null and m.status <> 'banned' as counted,
    ${readSeq('m', 'k')} as read_seq, ${deliveredSeq('m', 'k')} as delivered_seq
  from chat.member m left join history.cursor k on k.conversation_id = m.conversation_id and k.user_id = m.user_id
  where m.conversation_id = $1 and m.user_id = $2`;
/** Exact under the conversation's lock, but for the positions: a receipt may pass at any time. */
export async function findMember(sql: Sql, conversationId: string, userId: string): Promise<StoredMember | undefined> {
  const [member] = await sql.query<StoredMember>(FIND, [conversationId, userId]);
  return member;
}

const STORE = `
  insert into chat.member (conversation_id, user_id, role, status, muted_until, banned_until, joined_at, base_seq, rev, left_at)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
  on conflict (conversation_id, user_id) do update set role = excluded.role, status = excluded.status, muted_until = excluded.muted_until, banned_until = excluded.banned_until,
    joined_at = excluded.joined_at, base_seq = excluded.base_seq, rev = excluded.rev, left_at = excluded.left_at`;
export async function storeMember(sql: Sql, conversationId: string, member: StoredMember): Promise<void> {
  const { user_id, role, status, muted_until, banned_until, joined_at, base_seq, rev, left_at } = member;
  await sql.query(STORE, [
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
  ]);
}

const MEMBERSHIP = `
  select ${membershipColumns('c', 'm', 'k', 'p')}
  from chat.member m join chat.conversation c on c.id = m.conversation_id
  left join history.cursor k on k.conversation_id = m.conversation_id and k.user_id = m.user_id
  ${preferenceJoin('m', 'p')}
  where m.conversation_id = $1 and m.user_id = $2`;
/** What a conversation, whose row is written back, is to one of its members. */
export async function membershipOf(sql: Sql, conversationId: string, userId: string): Promise<Membership> {
  const [row] = await sql.query<MembershipRow>(MEMBERSHIP, [conversationId, userId]);
  return toMembership(row!);
}

export async function lastMessageOf(sql: Sql, conversationId: string): Promise<Message | undefined> {
  const [row] = await sql.query<MessageRow>(
    `select ${messageColumns('m')} from chat.message m where m.conversation_id = $1 order by m.seq desc limit 1`,
    [conversationId],
  );
  return row && toMessage(row);
}

/** Members whose ban is over, but not lifted yet. */
export const overdueBans = (sql: Sql, limit: number): Promise<{ conversation_id: string; user_id: string }[]> =>
  sql.query(
    `select conversation_id, user_id from chat.member where status = 'banned' and left_at is null and banned_until <= clock_timestamp() order by banned_until limit $1`,
    [limit],
  );

export const sameInstant = (one: Date | null, other: Date | null): boolean => one?.getTime() === other?.getTime();
export const guestsMayEnter = (policy: Policy): boolean => policy.guests !== false;

import { limits, Id, type Conversation, type Member } from '@parley/contracts';
import {
  belongsNow, conversationColumns, iso, messageColumns, statusNow, toConversation, toMember, toMembership, toMessage,
  type ConversationRow, type MemberRow, type MembershipRow, type MessageRow, type Moment, type Sql,
} from '@parley/store';
import { z } from 'zod';
import { decodeCursor, encodeCursor } from './cursor.js';
import { deliveredSeq, membershipColumns, readSeq } from './membership.js';

interface Item extends ConversationRow {
  active_at: Moment;
  me: MembershipRow | null;
  last_message: MessageRow | null;
}
/** A conversation `c` with the membership of user $1 and its newest message. Those who are no members get the bare description. */
const ITEM_COLUMNS = `${conversationColumns('c')}, c.active_at, to_jsonb(mine) as me, to_jsonb(l) as last_message`;
const ITEM_JOINS = `
  left join lateral (
    select ${membershipColumns('c', 'm', 'k')}
    from chat.member m left join history.cursor k on k.conversation_id = m.conversation_id and k.user_id = m.user_id
    where m.conversation_id = c.id and m.user_id = $1 and ${belongsNow('m')}) mine on true
  left join lateral (
    select ${messageColumns('l')} from chat.message l where l.conversation_id = c.id and l.seq = c.last_seq and mine.role is not null) l on true`;

const toItem = (row: Item): Conversation =>
  toConversation(row, row.me ? toMembership(row.me) : undefined, row.last_message ? toMessage(row.last_message) : undefined);

const BY_ID = `select ${ITEM_COLUMNS} from chat.conversation c ${ITEM_JOINS} where c.id = any($2::uuid[]) and c.deleted_at is null order by c.active_at desc, c.id desc`;
/** Conversations as `userId` sees them, most recently active first. The caller has checked that they may. */
export async function describeConversations(sql: Sql, userId: string, ids: readonly string[]): Promise<Conversation[]> {
  if (ids.length === 0) return [];
  return (await sql.query<Item>(BY_ID, [userId, ids])).map(toItem);
}

// The page is cut before anything is counted.
const LIST = `
  with mine_ids as (
    select c.id as page_id from chat.member m join chat.conversation c on c.id = m.conversation_id
    where m.user_id = $1 and ${belongsNow('m')} and c.deleted_at is null
      and ($2::timestamptz is null or (c.active_at, c.id) < ($2::timestamptz, $3::uuid))
    order by c.active_at desc, c.id desc limit $4)
  select ${ITEM_COLUMNS} from mine_ids join chat.conversation c on c.id = page_id ${ITEM_JOINS} order by c.active_at desc, c.id desc`;
const ListCursor = z.tuple([z.iso.datetime({ precision: 3 }), Id]);

export interface ListRequest {
  readonly cursor?: string | undefined;
  readonly limit?: number | undefined;
}
const DEFAULT_LIMIT = 50;

/** A user's conversations, most recently active first. */
export async function listConversations(sql: Sql, userId: string, { cursor, limit = DEFAULT_LIMIT }: ListRequest): Promise<{ items: Conversation[]; nextCursor?: string }> {
  const [activeAt, id] = cursor === undefined ? [] : decodeCursor(ListCursor, cursor);
  const rows = await sql.query<Item>(LIST, [userId, activeAt, id, limit + 1]);
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items: items.map(toItem), ...(rows.length > limit && last ? { nextCursor: encodeCursor([iso(last.active_at), last.id]) } : {}) };
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
export async function listMembers(sql: Sql, conversationId: string, { cursor, limit = DEFAULT_LIMIT }: ListRequest): Promise<{ items: Member[]; nextCursor?: string }> {
  const [joinedAt, userId] = cursor === undefined ? [] : decodeCursor(ListCursor, cursor);
  const rows = await sql.query<MemberRow>(MEMBERS, [conversationId, joinedAt, userId, limit + 1]);
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items: items.map(toMember), ...(rows.length > limit && last ? { nextCursor: encodeCursor([iso(last.joined_at), last.user_id]) } : {}) };
}

/** All members of a conversation that is small enough to list them; undefined for a larger one. */
export async function allMembers(sql: Sql, conversationId: string, memberCount: number): Promise<Member[] | undefined> {
  if (memberCount > limits.receiptsToAllUpTo) return undefined;
  return (await listMembers(sql, conversationId, { limit: limits.receiptsToAllUpTo * 2 })).items;
}

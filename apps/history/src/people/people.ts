import type { Broker } from '@parley/broker';
import { blockBetween, isMemberNow, iso, pageByTime, type ListRequest, type Moment } from '@parley/chat';
import type { CallOutput, RequestAnswer } from '@parley/contracts';
import type { Row, Sql } from '@parley/store';

interface ListedRow extends Row {
  user_id: string;
  created_at: Moment;
}
const list = (table: string, owner: string, listed: string): string => `
  select l.${listed} as user_id, l.created_at from ${table} l
  where l.${owner} = $1 and ($2::timestamptz is null or (l.created_at, l.${listed}) < ($2::timestamptz, $3::uuid))
  order by l.created_at desc, l.${listed} desc limit $4`;
const LISTS = {
  contacts: list('chat.contact', 'owner_id', 'user_id'),
  blocks: list('chat.block', 'blocker_id', 'blocked_id'),
} as const;

/**
 * The users on one of a user's lists, newest first. Deleted users are left out, so a page may be shorter than its limit.
 */
export async function listPeople(
  sql: Sql,
  broker: Broker,
  name: keyof typeof LISTS,
  userId: string,
  request: ListRequest,
): Promise<CallOutput<'contact.list'>> {
  const { rows, ...next } = await pageByTime(
    name,
    request,
    ({ at, id }, limit) => sql.query<ListedRow>(LISTS[name], [userId, at, id, limit]),
    (row) => [row.created_at, row.user_id],
  );
  const { users } =
    rows.length === 0
      ? { users: [] }
      : await broker.request('users.known.v1', { userIds: rows.map(({ user_id }) => user_id) });
  const byId = new Map(users.map((user) => [user.id, user]));
  const items = rows.flatMap(({ user_id, created_at }) => {
    const user = byId.get(user_id);
    return user ? [{ user, createdAt: iso(created_at) }] : [];
  });
  return { items, ...next };
}

const VISIBLE = `
  select u.id, ${blockBetween('$1::uuid', 'u.id')} as blocked from unnest($2::uuid[]) as u(id)
  where u.id = $1 or exists (
    select 1 from chat.contact own join chat.contact theirs on theirs.owner_id = own.user_id and theirs.user_id = own.owner_id
    where own.owner_id = $1 and own.user_id = u.id) or exists (
    select 1 from chat.member theirs
    join chat.member own on own.conversation_id = theirs.conversation_id and own.user_id = $1 and ${isMemberNow('own')}
    join chat.conversation c on c.id = own.conversation_id and c.deleted_at is null
    where theirs.user_id = u.id and ${isMemberNow('theirs')})`;

/**
 * The users among `userIds` whose presence `userId` may see: members of a common conversation, contacts
 * of each other, and themselves. `blocked`: those with a block in either direction.
 */
export async function visibleTo(
  sql: Sql,
  userId: string,
  userIds: readonly string[],
): Promise<RequestAnswer<'history.visible.v1'>> {
  const rows = await sql.query<{ id: string; blocked: boolean }>(VISIBLE, [userId, userIds]);
  return { userIds: rows.map(({ id }) => id), blocked: rows.filter(({ blocked }) => blocked).map(({ id }) => id) };
}

import type { Sql } from '@parley/store';
import { belongsNow } from '@parley/store';

const VISIBLE = `
  select u.id from unnest($2::uuid[]) as u(id)
  where u.id = $1 or exists (
    select 1 from chat.member theirs
    join chat.member own on own.conversation_id = theirs.conversation_id and own.user_id = $1 and ${belongsNow('own')}
    join chat.conversation c on c.id = own.conversation_id and c.deleted_at is null
    where theirs.user_id = u.id and ${belongsNow('theirs')})`;

/** Those of `userIds` who share a conversation with `userId`, and `userId` themselves: whose presence they may see. */
export async function visibleTo(sql: Sql, userId: string, userIds: readonly string[]): Promise<string[]> {
  return (await sql.query<{ id: string }>(VISIBLE, [userId, userIds])).map(({ id }) => id);
}

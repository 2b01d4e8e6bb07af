import { isMemberNow, requireMember, viewConversations } from '@parley/chat';
import {
  ChatError,
  type Actor,
  type CallInput,
  type CallOutput,
  type Membership,
  type ServerEvent,
} from '@parley/contracts';
import type { Push } from '@parley/realtime';
import type { Database } from '@parley/store';

// What was set in an earlier membership is replaced, not kept. The mark lies at most right behind the newest message.
const SET = `
  with own as (
    select c.id, c.last_seq, m.user_id, m.joined_at from chat.conversation c join chat.member m on m.conversation_id = c.id and m.user_id = $2 and ${isMemberNow('m')} where c.id = $1)
  insert into history.preference as p (conversation_id, user_id, notifications, unread_from, updated_at)
  select id, user_id, coalesce($3::text, 'all'), case when $4::bigint is not null then least($4, last_seq + 1) end, clock_timestamp() from own
  on conflict (conversation_id, user_id) do update set
    notifications = coalesce($3::text, case when p.updated_at >= (select joined_at from own) then p.notifications end, 'all'),
    unread_from = case when $4::bigint is not null then excluded.unread_from when p.updated_at >= (select joined_at from own) then p.unread_from end,
    updated_at = excluded.updated_at`;

/**
 * Sets what concerns the caller alone, and tells their other connections. Refuses whoever may not read there; a muted member may. Repeating it changes nothing.
 * Live events may be missed, as always: `sync` brings the conversation with its `me`.
 */
export async function setPreferences(
  database: Database,
  push: Push,
  caller: Actor,
  { conversationId, notifications, unreadFrom }: CallInput<'conversation.me'>,
): Promise<CallOutput<'conversation.me'>> {
  const { userId, connectionId } = caller;
  await requireMember(database, conversationId, userId);
  if (notifications !== undefined || unreadFrom !== undefined)
    await database.query(SET, [conversationId, userId, notifications, unreadFrom]);
  const [conversation] = await viewConversations(database, userId, [conversationId]);
  if (!conversation?.me) throw new ChatError('not_found', 'No such conversation');
  const { me } = conversation;
  const except = connectionId === undefined ? {} : { except: connectionId };
  // Not with the conversation: settings are no change of it, and its `rev` would hide a change that the other devices missed.
  await push.toUsers(
    [userId],
    'unread:changed',
    { ...unreadEvent(conversationId, me), ...(notifications === undefined ? {} : { notifications }) },
    except,
  );
  return { me };
}

const unreadEvent = (
  conversationId: string,
  { unread, mentions, readSeq, unreadFrom }: Membership,
): ServerEvent<'unread:changed'> => ({
  conversationId,
  unread,
  mentions,
  readSeq,
  ...(unreadFrom === undefined ? {} : { unreadFrom }),
});

import { Injectable } from '@nestjs/common';
import { isMemberNow, requireMember, viewConversations } from '@parley/chat';
import {
  ChatError,
  type Actor,
  type CallInput,
  type CallOutput,
  type Membership,
  type ServerEvent,
} from '@parley/contracts';
import { Push } from '@parley/realtime';
import { Database } from '@parley/store';

// Replaces settings of an earlier membership. The unread mark is at most one after the last message.
const SET = `
  with own as (
    select c.id, c.last_seq, m.user_id, m.joined_at from chat.conversation c join chat.member m on m.conversation_id = c.id and m.user_id = $2 and ${isMemberNow('m')} where c.id = $1)
  insert into history.preference as p (conversation_id, user_id, notifications, unread_from, updated_at)
  select id, user_id, coalesce($3::text, 'all'), case when $4::bigint is not null then least($4, last_seq + 1) end, clock_timestamp() from own
  on conflict (conversation_id, user_id) do update set
    notifications = coalesce($3::text, case when p.updated_at >= (select joined_at from own) then p.notifications end, 'all'),
    unread_from = case when $4::bigint is not null then excluded.unread_from when p.updated_at >= (select joined_at from own) then p.unread_from end,
    updated_at = excluded.updated_at`;

/** Members' private settings of conversations. */
@Injectable()
export class Preferences {
  constructor(
    private readonly database: Database,
    private readonly push: Push,
  ) {}

  /**
   * Changes the caller's settings, and tells their other connections. Refuses users who may not read the conversation;
   * muted members may. Repeating it changes nothing. A connection that misses the live event gets the conversation with
   * its `me` by `sync`.
   */
  async set(
    { userId, connectionId }: Actor,
    { conversationId, notifications, unreadFrom }: CallInput<'conversation.me'>,
  ): Promise<CallOutput<'conversation.me'>> {
    await requireMember(this.database, conversationId, userId);
    if (notifications !== undefined || unreadFrom !== undefined)
      await this.database.query(SET, [conversationId, userId, notifications, unreadFrom]);
    const [conversation] = await viewConversations(this.database, userId, [conversationId]);
    if (!conversation?.me) throw new ChatError('not_found', 'No such conversation');
    const { me } = conversation;
    // Without the conversation: settings do not raise its `rev`, and with the present `rev` a device would not notice a
    // change that it missed.
    await this.push.toUsers(
      [userId],
      'unread:changed',
      { ...unreadEvent(conversationId, me), ...(notifications === undefined ? {} : { notifications }) },
      connectionId === undefined ? {} : { except: connectionId },
    );
    return { me };
  }
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

import { Injectable } from '@nestjs/common';
import { Audience, blockWithAny, permissionRefusal, requireMember, type ConversationAccess } from '@parley/chat';
import {
  ChatError,
  identitiesOf,
  type Actor,
  type CallInput,
  type CallOutput,
  type RequestPayload,
} from '@parley/contracts';
import { Push } from '@parley/realtime';
import { Database, type Row } from '@parley/store';

type Person = Pick<Actor, 'userId' | 'ownerId'>;

interface Peer extends Row {
  userId: string;
  blocked: boolean;
}
const PEER = `
  select o.user_id as "userId", ${blockWithAny('$3::uuid[]', 'o.user_id')} as blocked
  from chat.member o where o.conversation_id = $1 and o.user_id <> $2::uuid`;

/** Passes events on to members without storing them. */
@Injectable()
export class Live {
  constructor(
    private readonly database: Database,
    private readonly push: Push,
    private readonly audience: Audience,
  ) {}

  /**
   * Tells all connections of the members, except the typing one, that a member types or has stopped. Refuses members
   * who may not write; stopping is not refused, because a member may be muted or blocked while typing.
   */
  async type(typing: RequestPayload<'history.typing.v1'>): Promise<void> {
    const { userId, connectionId, conversationId, active } = typing;
    const access = await requireMember(this.database, conversationId, userId);
    const refused = active ? await this.writeRefusal(access, typing) : undefined;
    if (refused) throw refused;
    const audiences = await this.audience.of(this.database, [{ conversationId, membersRev: access.members_rev }]);
    await this.push.toUsers(
      audiences.get(conversationId) ?? [],
      'typing',
      { conversationId, userId, active },
      { except: connectionId },
    );
  }

  /**
   * Forwards data to all connections of the peer in a direct conversation. Returns whether the peer has a connection.
   */
  async signal(
    caller: Actor,
    { to, conversationId, data }: CallInput<'peer.signal'>,
  ): Promise<CallOutput<'peer.signal'>> {
    const { userId } = caller;
    const access = await requireMember(this.database, conversationId, userId);
    if (access.kind !== 'direct')
      throw new ChatError('forbidden', 'Signals are passed between the two people of a direct conversation');
    if (to === userId)
      throw new ChatError('invalid', 'to: must be the other person', {
        details: [{ path: 'to', message: 'must be the other person' }],
      });
    const peer = await this.peerOf(conversationId, caller);
    if (to !== peer.userId) throw new ChatError('not_found', 'No such member');
    if (access.status === 'muted') throw new ChatError('muted');
    if (peer.blocked) throw new ChatError('blocked');
    const locations = await this.push.locate([to]);
    await this.push.toUsers([to], 'peer:signal', { from: userId, conversationId, data }, { locations });
    return { delivered: locations.online(to) ?? false };
  }

  private async writeRefusal(access: ConversationAccess, caller: Person): Promise<ChatError | undefined> {
    const refused = permissionRefusal('write', { conversation: access, member: access });
    if (refused) return refused;
    return access.kind === 'direct' && (await this.peerOf(access.id, caller)).blocked
      ? new ChatError('blocked')
      : undefined;
  }

  /** The other person of a direct conversation. */
  private async peerOf(conversationId: string, caller: Person): Promise<Peer> {
    const [peer] = await this.database.query<Peer>(PEER, [conversationId, caller.userId, identitiesOf(caller)]);
    return peer!;
  }
}

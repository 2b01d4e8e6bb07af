import { Injectable } from '@nestjs/common';
import { Audience, blockBetween, permissionRefusal, requireMember, type ConversationAccess } from '@parley/chat';
import { ChatError, type Actor, type CallInput, type CallOutput, type RequestPayload } from '@parley/contracts';
import { Push } from '@parley/realtime';
import { Database, type Row } from '@parley/store';

interface Peer extends Row {
  userId: string;
  blocked: boolean;
}
const PEER = `
  select o.user_id as "userId", ${blockBetween('$2::uuid', 'o.user_id')} as blocked
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
  async type({ userId, connectionId, conversationId, active }: RequestPayload<'history.typing.v1'>): Promise<void> {
    const access = await requireMember(this.database, conversationId, userId);
    const refused = active ? await this.writeRefusal(access, userId) : undefined;
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
    { userId }: Actor,
    { to, conversationId, data }: CallInput<'peer.signal'>,
  ): Promise<CallOutput<'peer.signal'>> {
    const access = await requireMember(this.database, conversationId, userId);
    if (access.kind !== 'direct')
      throw new ChatError('forbidden', 'Signals are passed between the two people of a direct conversation');
    if (to === userId)
      throw new ChatError('invalid', 'to: must be the other person', {
        details: [{ path: 'to', message: 'must be the other person' }],
      });
    const peer = await this.peerOf(conversationId, userId);
    if (to !== peer.userId) throw new ChatError('not_found', 'No such member');
    if (access.status === 'muted') throw new ChatError('muted');
    if (peer.blocked) throw new ChatError('blocked');
    const locations = await this.push.locate([to]);
    await this.push.toUsers([to], 'peer:signal', { from: userId, conversationId, data }, { locations });
    return { delivered: locations.online(to) ?? false };
  }

  private async writeRefusal(access: ConversationAccess, userId: string): Promise<ChatError | undefined> {
    const refused = permissionRefusal('write', { conversation: access, member: access });
    if (refused) return refused;
    return access.kind === 'direct' && (await this.peerOf(access.id, userId)).blocked
      ? new ChatError('blocked')
      : undefined;
  }

  /** The other person of a direct conversation. */
  private async peerOf(conversationId: string, userId: string): Promise<Peer> {
    const [peer] = await this.database.query<Peer>(PEER, [conversationId, userId]);
    return peer!;
  }
}

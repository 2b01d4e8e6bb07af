import { blockBetween, permissionRefusal, requireMember, type Audience, type ConversationAccess } from '@parley/chat';
import { ChatError, type Actor, type CallInput, type CallOutput, type RequestPayload } from '@parley/contracts';
import type { Push } from '@parley/realtime';
import type { Database, Row, Sql } from '@parley/store';

interface Pair extends Row {
  other: string;
  blocked: boolean;
}
const PAIR = `
  select o.user_id as other, ${blockBetween('$2', 'o.user_id')} as blocked
  from chat.member o where o.conversation_id = $1 and o.user_id <> $2::uuid`;
/** The other one of a direct conversation. */
async function pairOf(sql: Sql, conversationId: string, userId: string): Promise<Pair> {
  const [pair] = await sql.query<Pair>(PAIR, [conversationId, userId]);
  return pair!;
}

/** Why a member may not write now; undefined when they may. */
async function writeRefusal(sql: Sql, access: ConversationAccess, userId: string): Promise<ChatError | undefined> {
  const refused = permissionRefusal('write', { conversation: access, member: access });
  if (refused) return refused;
  return access.kind === 'direct' && (await pairOf(sql, access.id, userId)).blocked
    ? new ChatError('blocked')
    : undefined;
}

/** What is passed on to members and kept nowhere. */
export class Live {
  constructor(
    private readonly database: Database,
    private readonly push: Push,
    private readonly audience: Audience,
  ) {}

  /**
   * Tells the members, beside the connection that types, that somebody types or stopped. Refuses whoever may not write; to stop is not refused to members who were muted or blocked while
   * they typed.
   */
  async type({ userId, connectionId, conversationId, active }: RequestPayload<'history.typing.v1'>): Promise<void> {
    const access = await requireMember(this.database, conversationId, userId);
    const refused = active ? await writeRefusal(this.database, access, userId) : undefined;
    if (refused) throw refused;
    const members = await this.audience.of(this.database, [{ conversationId, membersRev: access.members_rev }]);
    await this.push.toUsers(
      members.get(conversationId) ?? [],
      'typing',
      { conversationId, userId, active },
      { except: connectionId },
    );
  }

  /** Passes data on to all connections of the other one of a direct conversation, and answers whether they have any. */
  async signal(
    { userId }: Actor,
    { to, conversationId, data }: CallInput<'peer.signal'>,
  ): Promise<CallOutput<'peer.signal'>> {
    const access = await requireMember(this.database, conversationId, userId);
    if (access.kind !== 'direct')
      throw new ChatError('forbidden', 'Signals pass between the two of a direct conversation');
    if (to === userId)
      throw new ChatError('invalid', 'to: must be the other one', {
        details: [{ path: 'to', message: 'must be the other one' }],
      });
    const { other, blocked } = await pairOf(this.database, conversationId, userId);
    if (to !== other) throw new ChatError('not_found', 'No such member');
    if (access.status === 'muted') throw new ChatError('muted');
    if (blocked) throw new ChatError('blocked');
    const locations = await this.push.locate([to]);
    await this.push.toUsers([to], 'peer:signal', { from: userId, conversationId, data }, { locations });
    return { delivered: locations.online(to) ?? false };
  }
}

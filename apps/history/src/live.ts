import { ChatError, type Actor, type CallInput, type CallOutput, type RequestPayload } from '@parley/contracts';
import type { Push } from '@parley/realtime';
import type { Audience, Database, Row, Sql } from '@parley/store';
import { demandMember, refusalOf, standingOf, type Standing } from './membership.js';
import { blockBetween } from './people.js';

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

/** Why a member may not write now; undefined when they may. What a role may not do comes before a mute. */
async function silenced(
  sql: Sql,
  { id, kind, role, status }: Standing,
  userId: string,
): Promise<ChatError | undefined> {
  if (kind === 'channel' && role === 'member')
    return new ChatError('forbidden', 'Only its creator and admins write in a channel');
  if (status === 'muted') return new ChatError('muted');
  return kind === 'direct' && (await pairOf(sql, id, userId)).blocked ? new ChatError('blocked') : undefined;
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
    const standing = await standingOf(this.database, conversationId, userId);
    const refused = refusalOf(standing, 'content');
    if (refused) throw refused;
    const silence = active ? await silenced(this.database, standing!, userId) : undefined;
    if (silence) throw silence;
    const members = await this.audience.of(this.database, [{ conversationId, membersRev: standing!.members_rev }]);
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
    const standing = await demandMember(this.database, conversationId, userId);
    if (standing.kind !== 'direct')
      throw new ChatError('forbidden', 'Signals pass between the two of a direct conversation');
    if (to === userId)
      throw new ChatError('invalid', 'to: must be the other one', {
        details: [{ path: 'to', message: 'must be the other one' }],
      });
    const { other, blocked } = await pairOf(this.database, conversationId, userId);
    if (to !== other) throw new ChatError('not_found', 'No such member');
    if (standing.status === 'muted') throw new ChatError('muted');
    if (blocked) throw new ChatError('blocked');
    const where = await this.push.find([to]);
    await this.push.toUsers([to], 'peer:signal', { from: userId, conversationId, data }, { where });
    return { delivered: where.online(to) ?? false };
  }
}

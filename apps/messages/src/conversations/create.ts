import { Injectable } from '@nestjs/common';
import { Broker } from '@parley/broker';
import { admitsGuests, viewConversations } from '@parley/chat';
import {
  ChatError,
  identitiesOf,
  newId,
  type CallOutput,
  type Conversation,
  type Membership,
  type RequestPayload,
  type Role,
} from '@parley/contracts';
import { Database } from '@parley/store';
import type { Committed, OutgoingEvent } from '../commands/change.js';
import { messageNew } from '../commands/runner.js';
import { systemClientId } from '../commands/system-messages.js';
import { Settings } from '../config.js';
import { invalid, requireUsers } from '../people/users.js';
import { createDirect, createGroup, isCreationBlocked, rolesOf } from './sql.js';

export type CreateCommand = RequestPayload<'conversation.create.v1'>;

/** Creates conversations. */
@Injectable()
export class ConversationCreator {
  constructor(
    private readonly database: Database,
    private readonly broker: Broker,
    private readonly settings: Settings,
  ) {}

  /**
   * Creates a conversation under the request's id, so that a redelivery finds it. Returns an existing direct
   * conversation as the caller sees it. Throws a `ChatError` before anything is stored; `unavailable` if auth cannot
   * check that the members exist.
   */
  async create(command: CreateCommand): Promise<Committed<CallOutput<'conversation.create'>>> {
    const { caller, input } = command;
    const others = input.kind === 'direct' ? [otherOf(command)] : membersOf(command, this.settings.membersPerGroup);
    if (input.kind === 'channel' && caller.kind === 'guest')
      throw new ChatError('forbidden', 'Guests may not create channels');
    const users = await requireUsers(this.broker, others);
    if (!admitsGuests(input.policy ?? {}) && users.some(({ kind }) => kind === 'guest'))
      throw new ChatError('forbidden', 'Guests are not admitted here');
    const id =
      input.kind === 'direct' ? await this.storeDirect(caller, others[0]!) : await this.storeGroup(command, others);
    const [conversation] = await viewConversations(this.database, caller.userId, [id]);
    if (!conversation) throw new ChatError('not_found', 'The conversation was deleted');
    const created = id === caller.requestId;
    return { answer: { conversation, created }, events: created ? await this.eventsOf(conversation) : [] };
  }

  /**
   * A block prevents new conversations and finding an existing one, but not the repeated answer to the request that
   * created it.
   */
  private async storeDirect(caller: CreateCommand['caller'], other: string): Promise<string> {
    const { requestId, userId } = caller;
    const pair = await createDirect(this.database, requestId, userId, other, identitiesOf(caller));
    if (pair.id === undefined || (pair.blocked && pair.id !== requestId)) throw new ChatError('blocked');
    return pair.id;
  }

  /** Users who block the creator are not put into conversations by them: nothing is created. */
  private async storeGroup({ caller, input }: CreateCommand, others: readonly string[]): Promise<string> {
    if (others.length > 0 && (await isCreationBlocked(this.database, caller.requestId, identitiesOf(caller), others)))
      throw new ChatError('blocked', 'One of these users blocks you');
    const { kind, visibility = 'private', title, topic, color, policy = {} } = input;
    const conversation = {
      id: caller.requestId,
      kind,
      visibility,
      createdBy: caller.userId,
      addedBy: caller.ownerId ?? caller.userId,
      title,
      topic: topic === '' ? undefined : topic,
      color,
      policy,
    };
    await createGroup(this.database, conversation, [caller.userId, ...others], {
      id: newId(conversation.id),
      clientId: systemClientId(caller.requestId, conversation.id),
    });
    return conversation.id;
  }

  /** `conversation:new` to every member with their own `me`, and the system message of a group or channel. */
  private async eventsOf(conversation: Conversation): Promise<OutgoingEvent[]> {
    const members = await rolesOf(this.database, conversation.id);
    const memberIds = members.map(({ user_id }) => user_id);
    const { me: _me, ...description } = conversation;
    const { lastMessage } = conversation;
    const opening = lastMessage?.type === 'system' ? lastMessage : undefined;
    return [
      ...[...Map.groupBy(members, ({ role }) => role)].map(([role, ofRole]): OutgoingEvent => ({
        to: ofRole.map(({ user_id }) => user_id),
        event: 'conversation:new',
        payload: { conversation: { ...conversation, me: initialMembership(role) } },
        id: `${conversation.id}:new:${role}`,
      })),
      ...(opening ? [messageNew(memberIds, opening)] : []),
      { publish: 'conversation.created.v1', payload: { conversation: description, memberIds } },
      ...(opening ? [{ publish: 'message.created.v1' as const, payload: { messages: [opening] } }] : []),
    ];
  }
}

/** The other person of a direct conversation. */
function otherOf({ caller, input }: CreateCommand): string {
  const { memberIds = [], title, topic, color, policy, visibility } = input;
  const [other] = memberIds;
  if (other === undefined || memberIds.length !== 1)
    throw invalid('memberIds', 'a direct conversation has exactly one other member');
  if (other === caller.userId) throw invalid('memberIds', 'a direct conversation is with somebody else');
  if (visibility === 'public') throw invalid('visibility', 'a direct conversation is private');
  if ([title, topic, color, policy].some((value) => value !== undefined)) {
    throw new ChatError('forbidden', 'A direct conversation has no title, topic, colour or policy');
  }
  return other;
}

/** The members of a group or channel besides the caller. */
function membersOf({ caller, input }: CreateCommand, membersPerGroup: number): string[] {
  const others = [...new Set(input.memberIds)].filter((userId) => userId !== caller.userId);
  if (others.length >= membersPerGroup)
    throw new ChatError('too_large', `A conversation has at most ${membersPerGroup} members`);
  return others;
}

/** The membership of a member of a new conversation. */
const initialMembership = (role: Role): Membership => ({
  role,
  status: 'active',
  readSeq: 0,
  deliveredSeq: 0,
  unread: 0,
  mentions: 0,
  notifications: 'all',
});

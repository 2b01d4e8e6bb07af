import type { Broker } from '@parley/broker';
import { toConversation, toMembership, toMessage } from '@parley/chat';
import { ChatError, newId, type Conversation, type Message, type RequestPayload } from '@parley/contracts';
import type { Database } from '@parley/store';
import { noteKey } from '../commands/change.js';
import { createDirect, createGroup, describe, rolesOf, type MemberRole } from './sql.js';
import { invalid, knownUsers } from '../people/users.js';
import { guestsMayEnter } from './member-sql.js';

export type CreateCommand = RequestPayload<'conversation.create.v1'>;

/** A conversation that is committed. */
export interface Created {
  /** As the creator sees it. */
  readonly conversation: Conversation;
  /** True when this request stored it, also when it comes a second time. */
  readonly created: boolean;
  readonly members: readonly MemberRole[];
  /** The system message that begins a group or channel. */
  readonly opening: Message | undefined;
}

/**
 * Creates what a request asks for, under the request's id, so that a redelivery finds it again. Refuses with a ChatError before anything is stored;
 * `unavailable` when auth can't say whether the members exist.
 */
export async function createConversation(database: Database, broker: Broker, command: CreateCommand): Promise<Created> {
  const { caller, input } = command;
  const others = input.kind === 'direct' ? [otherOf(command)] : membersOf(command);
  if (input.kind === 'channel' && caller.kind === 'guest')
    throw new ChatError('forbidden', 'Guests do not create channels');
  const users = await knownUsers(broker, others);
  if (!guestsMayEnter(input.policy ?? {}) && users.some(({ kind }) => kind === 'guest'))
    throw new ChatError('forbidden', 'Guests are not admitted there');
  const id =
    input.kind === 'direct'
      ? await storeDirect(database, caller, others[0]!)
      : await storeGroup(database, command, others);
  return answer(database, id, command);
}

/** The other one of a direct conversation. */
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

const membersOf = ({ caller, input }: CreateCommand): string[] =>
  [...new Set(input.memberIds)].filter((userId) => userId !== caller.userId);

/** A block keeps two people from beginning anew and from finding what they had, but not from being answered again what this request began. */
async function storeDirect(
  database: Database,
  { requestId, userId }: CreateCommand['caller'],
  other: string,
): Promise<string> {
  const pair = await createDirect(database, requestId, userId, other);
  if (pair.id === undefined || (pair.blocked && pair.id !== requestId)) throw new ChatError('blocked');
  return pair.id;
}

async function storeGroup(
  database: Database,
  { caller, input }: CreateCommand,
  others: readonly string[],
): Promise<string> {
  const { kind, visibility = 'private', title, topic, color, policy = {} } = input;
  const conversation = {
    id: caller.requestId,
    kind,
    visibility,
    createdBy: caller.userId,
    title,
    topic: topic === '' ? undefined : topic,
    color,
    policy,
  };
  await createGroup(database, conversation, [caller.userId, ...others], {
    id: newId(conversation.id),
    clientId: noteKey(caller.requestId, conversation.id),
  });
  return conversation.id;
}

async function answer(database: Database, id: string, { caller }: CreateCommand): Promise<Created> {
  const row = await describe(database, id, caller.userId);
  if (!row) throw new ChatError('not_found', 'The conversation is gone');
  const lastMessage = row.last_message ? toMessage(row.last_message) : undefined;
  const created = row.id === caller.requestId;
  return {
    conversation: toConversation(row, toMembership(row.me), lastMessage),
    created,
    members: created ? await rolesOf(database, id) : [],
    opening: created && lastMessage?.type === 'system' ? lastMessage : undefined,
  };
}

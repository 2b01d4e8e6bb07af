import type { Broker } from '@parley/broker';
import { admitsGuests, audienceOf, outranks, requirePermission, toMember, type Action } from '@parley/chat';
import { ChatError, identitiesOf, type CallInput, type CallOutput, type User } from '@parley/contracts';
import { requireAccess, type ConversationChange } from '../commands/change.js';
import { invalid, requireUsers } from '../people/users.js';
import {
  addMember,
  isCounted,
  publishMembership,
  removeMember,
  republishMembership,
  requireRoom,
  store,
} from './membership-change.js';
import { findAdditionFacts, findMember, recordDeparture, type AdditionFacts, type StoredMember } from './sql.js';
import { endConversation } from './update.js';

type MemberAnswer = CallOutput<'member.update'>;

/**
 * Joins a public conversation. Everything written before counts as read, also for a former member. Joining again
 * changes nothing.
 */
export async function join(
  change: ConversationChange,
  membersPerGroup: number,
): Promise<CallOutput<'conversation.join'>> {
  const { member, context } = change;
  const isMember = member.role !== null && member.left_at === null;
  if (!(await republishMembership(change, change.userId)) && !isMember) {
    requireRoom(change, membersPerGroup);
    if (context.caller.kind === 'guest') requireGuestsAdmitted(change);
    const joined = await addMember(change, change.userId, 'member', null);
    await publishMembership(change, { changed: [joined], joined, note: await change.note({ kind: 'joined' }) });
  }
  return { conversation: await change.view() };
}

/**
 * Leaves a conversation. The creator must hand it over first; the last member ends it by leaving. Checks access itself,
 * so that a redelivered command returns the same answer.
 */
export async function leave(change: ConversationChange): Promise<Record<string, never>> {
  if (await republishMembership(change, change.userId)) return {};
  if (change.repeat && change.member.role === 'creator' && change.conversation.deleted_at !== null) {
    await endConversation(change, 'left');
    return {};
  }
  requireAccess(change, 'member');
  requirePermission('leave', change);
  if (change.member.role === 'creator') {
    if ((await audienceOf(change.sql, change.conversation.id)).length > 1)
      throw new ChatError('conflict', 'Hand the conversation over before you leave');
    await endConversation(change, 'left');
    return {};
  }
  const own = (await findMember(change.sql, change.conversation.id, change.userId))!;
  await removeMember(change, own, 'left');
  await recordDeparture(change.sql, change.conversation.id, own, change.now);
  return {};
}

/** A user as auth answered, or a function that throws auth's refusal. */
export type UserLookup = () => User;
/**
 * Asks auth for a user before the conversation is locked. A refusal counts only once the caller turns out to be allowed
 * to add members.
 */
export async function lookUpUser(broker: Broker, userId: string): Promise<UserLookup> {
  try {
    const [user] = await requireUsers(broker, [userId]);
    return () => user!;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

/**
 * Adds a member. Returns a present member unchanged. Banned users have to be unbanned first. Refuses users who block
 * the caller, and users who left within a day after the caller had added them.
 */
export async function add(
  change: ConversationChange,
  input: CallInput<'member.add'>,
  user: UserLookup,
  membersPerGroup: number,
): Promise<MemberAnswer> {
  const { userId, role = 'member' } = input;
  const republished = await republishMembership(change, userId);
  if (republished) return { member: toMember(republished) };
  requirePermission(role === 'admin' ? ['invite', 'promote'] : 'invite', change);
  const member = await findMember(change.sql, change.conversation.id, userId);
  if (member?.status === 'banned') throw new ChatError('conflict', 'This user is banned');
  if (member && member.left_at === null) return { member: toMember(member) };
  if (user().kind === 'guest') requireGuestsAdmitted(change);
  requireRoom(change, membersPerGroup);
  const { left } = await requireUnblocked(change, userId);
  if (left)
    throw new ChatError(
      'forbidden',
      'This user left after you had added them: you may not add them again within a day',
    );
  const joined = await addMember(change, userId, role, change.context.caller.ownerId ?? change.userId);
  await publishMembership(change, { changed: [joined], joined, note: await change.note({ kind: 'added', userId }) });
  return { member: toMember(joined) };
}

/** Refuses to put a user who blocks the caller into the conversation. */
async function requireUnblocked(change: ConversationChange, userId: string): Promise<AdditionFacts> {
  const { sql, conversation, now, context } = change;
  const facts = await findAdditionFacts(sql, conversation.id, userId, identitiesOf(context.caller), now);
  if (facts.blocked) throw new ChatError('blocked', 'This user blocks you');
  return facts;
}

/** Removes a member. A banned user is taken off the list of members, and stays banned. */
export async function remove(
  change: ConversationChange,
  { userId }: CallInput<'member.remove'>,
): Promise<Record<string, never>> {
  if (await republishMembership(change, userId)) return {};
  requirePermission('remove', change);
  const member = await findMember(change.sql, change.conversation.id, userId);
  if (!member || (member.left_at !== null && !change.repeat)) throw new ChatError('not_found', 'No such member');
  requireRank(change, member);
  if (member.left_at !== null) await publishMembership(change, { changed: [member] });
  else if (member.status === 'banned')
    await publishMembership(change, { changed: [await store(change, { ...member, left_at: change.now })] });
  else await removeMember(change, member, 'removed');
  return {};
}

/** Changes a member's role, mute or ban. Values that are already set change nothing. */
export async function update(
  change: ConversationChange,
  input: CallInput<'member.update'>,
  membersPerGroup: number,
): Promise<MemberAnswer> {
  requireConsistent(input);
  const republished = await republishMembership(change, input.userId);
  if (republished) return { member: toMember(republished) };
  const member = await findMember(change.sql, change.conversation.id, input.userId);
  requirePermission(actionsOf(input, member), change);
  // A former member can be banned and unbanned, which decides whether they may come back.
  if (!member || (member.left_at !== null && member.status !== 'banned' && input.status !== 'banned'))
    throw new ChatError('not_found', 'No such member');
  const updated =
    input.role === 'creator'
      ? await handOver(change, member)
      : await setRoleAndStatus(change, member, input, membersPerGroup);
  return { member: toMember(updated) };
}

function requireConsistent({ role, status, mutedUntil, bannedUntil }: CallInput<'member.update'>): void {
  if (mutedUntil !== undefined && status !== 'muted') throw invalid('mutedUntil', 'requires status muted');
  if (bannedUntil !== undefined && status !== 'banned') throw invalid('bannedUntil', 'requires status banned');
  if (role === 'creator' && status !== undefined) throw invalid('status', 'cannot be set when handing over');
  if (role !== undefined && status === 'banned') throw invalid('role', 'a banned member has none');
}

function actionsOf({ role, status }: CallInput<'member.update'>, member: StoredMember | undefined): Action[] {
  if (role === 'creator') return ['handOver'];
  const banning = status === 'banned' || (status !== undefined && member?.status === 'banned');
  return [
    ...(role === undefined ? [] : ['promote' as const]),
    ...(role !== undefined && status === undefined ? [] : [banning ? ('ban' as const) : ('mute' as const)]),
  ];
}

function requireRank({ member: own }: ConversationChange, member: StoredMember): void {
  if (!outranks(own.role, member.role))
    throw new ChatError('forbidden', 'Your role does not allow that for members of this role');
}

function requireGuestsAdmitted({ conversation }: ConversationChange): void {
  if (!admitsGuests(conversation.policy)) throw new ChatError('forbidden', 'Guests are not admitted here');
}

/** Makes the member creator and the creator admin. The new creator is unmuted, because nobody else could do that. */
async function handOver(change: ConversationChange, member: StoredMember): Promise<StoredMember> {
  if (member.role === 'creator') return member;
  if (member.status === 'banned') throw new ChatError('conflict', 'This user is banned');
  const own = (await findMember(change.sql, change.conversation.id, change.userId))!;
  const admin = await store(change, { ...own, role: 'admin' });
  const creator = await store(change, {
    ...member,
    role: 'creator',
    status: 'active',
    muted_until: null,
    banned_until: null,
  });
  await publishMembership(change, {
    changed: [admin, creator],
    ...(member.counted ? {} : { joined: creator }),
    note: await change.note({ kind: 'creator', userId: member.user_id }),
  });
  return creator;
}

async function setRoleAndStatus(
  change: ConversationChange,
  member: StoredMember,
  input: CallInput<'member.update'>,
  membersPerGroup: number,
): Promise<StoredMember> {
  if (input.role !== undefined && member.role === 'creator')
    throw new ChatError('conflict', 'Hand the conversation over instead');
  if (input.status !== undefined) requireRank(change, member);
  if (input.role !== undefined && member.status === 'banned' && input.status === undefined)
    throw new ChatError('conflict', 'This user is banned');
  const updated = withInput(member, input);
  if (isSame(member, updated)) {
    if (change.repeat)
      await publishMembership(change, { changed: [member], ...(input.status === 'active' ? { joined: member } : {}) });
    return member;
  }
  for (const [path, until] of [
    ['mutedUntil', updated.muted_until],
    ['bannedUntil', updated.banned_until],
  ] as const) {
    if (until !== null && input[path] !== undefined && until <= change.now) throw invalid(path, 'is past');
  }
  return storeUpdate(change, member, updated, membersPerGroup);
}

/** A banned member loses the role of admin. Unbanning leaves everything else as it was. */
function withInput(
  member: StoredMember,
  { role, status, mutedUntil, bannedUntil }: CallInput<'member.update'>,
): StoredMember {
  if (status === undefined) return { ...member, role: role ?? member.role };
  const until = (at: string | undefined) => (at === undefined ? null : new Date(at));
  return {
    ...member,
    role: status === 'banned' ? 'member' : (role ?? member.role),
    status,
    muted_until: until(mutedUntil),
    banned_until: until(bannedUntil),
  };
}

const sameInstant = (one: Date | null, other: Date | null): boolean => one?.getTime() === other?.getTime();
const isSame = (before: StoredMember, after: StoredMember): boolean =>
  before.role === after.role &&
  before.status === after.status &&
  before.counted === isCounted(after) &&
  (before.status !== 'muted' || sameInstant(before.muted_until, after.muted_until)) &&
  (before.status !== 'banned' || sameInstant(before.banned_until, after.banned_until));

async function storeUpdate(
  change: ConversationChange,
  before: StoredMember,
  after: StoredMember,
  membersPerGroup: number,
): Promise<StoredMember> {
  if (before.counted && after.status === 'banned') return removeMember(change, after, 'banned');
  const isBack = !before.counted && isCounted(after);
  if (isBack) {
    requireRoom(change, membersPerGroup);
    if (before.status === 'banned') await requireUnblocked(change, after.user_id);
  }
  const stored = await store(change, after);
  await publishMembership(change, { changed: [stored], ...(isBack ? { joined: stored } : {}) });
  return stored;
}

/** Lifts a ban that has expired. The formerly banned user is the caller. Does nothing for other bans. */
export async function liftBan(change: ConversationChange): Promise<Record<string, never>> {
  const member = await findMember(change.sql, change.conversation.id, change.userId);
  if (!member || member.left_at !== null || member.status !== 'active' || change.conversation.deleted_at !== null)
    return {};
  if (member.counted && !change.repeat) return {};
  const joined = member.counted ? member : await store(change, member);
  await publishMembership(change, { changed: [joined], joined });
  return {};
}

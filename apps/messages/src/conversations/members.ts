import type { Broker } from '@parley/broker';
import { audienceOf, outranks, requirePermission, toConversation, toMember, type Action } from '@parley/chat';
import {
  ChatError,
  limits,
  type CallInput,
  type CallOutput,
  type Message,
  type SystemNote,
  type User,
} from '@parley/contracts';
import type { News } from '../commands/publisher.js';
import { demandAccess, type Change } from '../commands/change.js';
import { endConversation } from './update.js';
import { invalid, knownUsers } from '../people/users.js';
import {
  findMember,
  guestsMayEnter,
  lastMessageOf,
  membershipOf,
  sameInstant,
  storeMember,
  type StoredMember,
} from './member-sql.js';

type MemberAnswer = CallOutput<'member.update'>;
type Removal = 'left' | 'removed' | 'banned';

/** What members are told: in this order, whose row changed, who came or went, and what the system message says. */
interface Story {
  readonly changed: readonly StoredMember[];
  readonly came?: StoredMember;
  readonly went?: { readonly member: StoredMember; readonly reason: Removal };
  readonly note?: Message | undefined;
}

/**
 * Joins a public conversation. Who is a member already is answered; who was one once begins anew, with what was written up to now counted as read. A mute outlives leaving. The answer is
 * completed by the history service.
 */
export async function join(change: Change): Promise<{ conversation: { id: string } }> {
  const { conversation, member, command } = change;
  const answer = { conversation: { id: conversation.id } };
  if (await retell(change, change.userId)) return answer;
  if (member.role !== null && member.left_at === null) return answer;
  demandRoom(change);
  if (command.caller.kind === 'guest') demandGuestsWelcome(change);
  const came = await arrive(change, change.userId, 'member');
  await tell(change, { changed: [came], came, note: await change.note({ kind: 'joined' }) });
  return answer;
}

/** Leaves. The creator hands over first; when nobody else is there, the conversation ends with them. Access is checked here: whoever has left by this very command is answered again. */
export async function leave(change: Change): Promise<Record<string, never>> {
  if (await retell(change, change.userId)) return {};
  if (change.repeat && change.member.role === 'creator' && change.conversation.deleted_at !== null) {
    await endConversation(change, 'left');
    return {};
  }
  demandAccess(change, 'member');
  requirePermission('leave', change);
  if (change.member.role === 'creator') {
    if ((await audienceOf(change.sql, change.conversation.id)).length > 1)
      throw new ChatError('conflict', 'Hand the conversation over before you leave');
    await endConversation(change, 'left');
    return {};
  }
  await depart(change, (await findMember(change.sql, change.conversation.id, change.userId))!, 'left');
  return {};
}

/** Whether somebody exists is asked before the conversation is locked, and matters only once the caller may add them at all. */
export type Asked = () => User;
export async function askFor(broker: Broker, userId: string): Promise<Asked> {
  try {
    const [user] = await knownUsers(broker, [userId]);
    return () => user!;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

/** Adds a member. Who is one already is answered as they are; who is banned has to be unbanned first. */
export async function add(change: Change, input: CallInput<'member.add'>, asked: Asked): Promise<MemberAnswer> {
  const { userId, role = 'member' } = input;
  const told = await retell(change, userId);
  if (told) return { member: toMember(told) };
  requirePermission(role === 'admin' ? ['invite', 'promote'] : 'invite', change);
  const member = await findMember(change.sql, change.conversation.id, userId);
  if (member?.status === 'banned') throw new ChatError('conflict', 'They are banned');
  if (member && member.left_at === null) return { member: toMember(member) };
  if (asked().kind === 'guest') demandGuestsWelcome(change);
  demandRoom(change);
  const came = await arrive(change, userId, role);
  await tell(change, { changed: [came], came, note: await change.note({ kind: 'added', userId }) });
  return { member: toMember(came) };
}

/** Removes a member. Who is banned is off the list then, and stays banned. */
export async function remove(change: Change, { userId }: CallInput<'member.remove'>): Promise<Record<string, never>> {
  if (await retell(change, userId)) return {};
  requirePermission('remove', change);
  const member = await findMember(change.sql, change.conversation.id, userId);
  if (!member || (member.left_at !== null && !change.repeat)) throw new ChatError('not_found', 'No such member');
  demandRank(change, member);
  if (member.left_at !== null) await tell(change, { changed: [member] });
  else if (member.status === 'banned')
    await tell(change, { changed: [await store(change, { ...member, left_at: change.now })] });
  else await depart(change, member, 'removed');
  return {};
}

/** Changes role, mute or ban. Setting what is set already changes nothing. */
export async function update(change: Change, input: CallInput<'member.update'>): Promise<MemberAnswer> {
  demandSense(input);
  const told = await retell(change, input.userId);
  if (told) return { member: toMember(told) };
  const member = await findMember(change.sql, change.conversation.id, input.userId);
  requirePermission(actionsOf(input, member), change);
  // Who left can be banned, and unbanned: that decides whether they may come back.
  if (!member || (member.left_at !== null && member.status !== 'banned' && input.status !== 'banned'))
    throw new ChatError('not_found', 'No such member');
  const updated = input.role === 'creator' ? await handOver(change, member) : await adjust(change, member, input);
  return { member: toMember(updated) };
}

function demandSense({ role, status, mutedUntil, bannedUntil }: CallInput<'member.update'>): void {
  if (mutedUntil !== undefined && status !== 'muted') throw invalid('mutedUntil', 'goes with status muted');
  if (bannedUntil !== undefined && status !== 'banned') throw invalid('bannedUntil', 'goes with status banned');
  if (role === 'creator' && status !== undefined) throw invalid('status', 'does not go with handing over');
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

function demandRank(change: Change, member: StoredMember): void {
  if (!outranks(change.member.role, member.role))
    throw new ChatError('forbidden', 'Your role does not allow that with theirs');
}

/** The creator becomes an admin, and another member creator, whom nobody could unmute any more. */
async function handOver(change: Change, member: StoredMember): Promise<StoredMember> {
  if (member.role === 'creator') return member;
  if (member.status === 'banned') throw new ChatError('conflict', 'They are banned');
  const own = (await findMember(change.sql, change.conversation.id, change.userId))!;
  const changed = [
    await store(change, { ...own, role: 'admin' }),
    await store(change, { ...member, role: 'creator', status: 'active', muted_until: null, banned_until: null }),
  ];
  const came = member.counted ? {} : { came: changed[1]! };
  await tell(change, { changed, ...came, note: await change.note({ kind: 'creator', userId: member.user_id }) });
  return changed[1]!;
}

async function adjust(change: Change, member: StoredMember, input: CallInput<'member.update'>): Promise<StoredMember> {
  if (input.role !== undefined && member.role === 'creator')
    throw new ChatError('conflict', 'Hand the conversation over instead');
  if (input.status !== undefined) demandRank(change, member);
  if (input.role !== undefined && member.status === 'banned' && input.status === undefined)
    throw new ChatError('conflict', 'They are banned');
  const wanted = standingAfter(member, input);
  if (same(member, wanted)) {
    if (change.repeat)
      await tell(change, { changed: [member], ...(input.status === 'active' ? { came: member } : {}) });
    return member;
  }
  for (const [path, until] of [
    ['mutedUntil', wanted.muted_until],
    ['bannedUntil', wanted.banned_until],
  ] as const) {
    if (until !== null && input[path] !== undefined && until <= change.now) throw invalid(path, 'is past');
  }
  return move(change, member, wanted);
}

/** A ban takes the role away; otherwise who is back from one goes on as if they had not been away. */
function standingAfter(
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

const same = (one: StoredMember, other: StoredMember): boolean =>
  one.role === other.role &&
  one.status === other.status &&
  one.counted === counts(other) &&
  (one.status !== 'muted' || sameInstant(one.muted_until, other.muted_until)) &&
  (one.status !== 'banned' || sameInstant(one.banned_until, other.banned_until));

async function move(change: Change, before: StoredMember, after: StoredMember): Promise<StoredMember> {
  if (before.counted && after.status === 'banned') return depart(change, after, 'banned');
  const back = !before.counted && counts(after);
  if (back) demandRoom(change);
  const stored = await store(change, after);
  await tell(change, { changed: [stored], ...(back ? { came: stored } : {}) });
  return stored;
}

function demandRoom({ conversation }: Change): void {
  if (conversation.member_count >= limits.membersPerGroup)
    throw new ChatError('too_large', `A conversation has at most ${limits.membersPerGroup} members`);
}

function demandGuestsWelcome({ conversation }: Change): void {
  if (!guestsMayEnter(conversation.policy)) throw new ChatError('forbidden', 'Guests are not admitted there');
}

/** Their positions begin at the system message that tells of their coming, which is the next one. */
async function arrive(change: Change, userId: string, role: 'admin' | 'member'): Promise<StoredMember> {
  const { conversation, now } = change;
  const earlier = await findMember(change.sql, conversation.id, userId);
  const mute =
    earlier?.status === 'muted'
      ? { status: 'muted', muted_until: earlier.muted_until }
      : { status: 'active', muted_until: null };
  const begin = conversation.last_seq + 1;
  const position = Math.max(begin, earlier?.read_seq ?? 0);
  return store(change, {
    user_id: userId,
    role,
    ...mute,
    banned_until: null,
    joined_at: now,
    base_seq: begin,
    left_at: null,
    rev: 0,
    counted: false,
    read_seq: position,
    delivered_seq: position,
  });
}

/** Ends a ban whose time is over: nobody asked for that, and the one who is back hears of it. */
export async function liftBan(change: Change): Promise<Record<string, never>> {
  const member = await findMember(change.sql, change.conversation.id, change.userId);
  if (!member || member.left_at !== null || member.status !== 'active' || change.conversation.deleted_at !== null)
    return {};
  if (member.counted && !change.repeat) return {};
  const came = member.counted ? member : await store(change, member);
  await tell(change, { changed: [came], came });
  return {};
}

/** Takes somebody out. They hear of that, but not of the system message that tells the others. */
async function depart(change: Change, member: StoredMember, reason: Removal): Promise<StoredMember> {
  const gone = await store(change, reason === 'banned' ? member : { ...member, left_at: change.now });
  const subject: Pick<SystemNote, 'userId'> = reason === 'left' ? {} : { userId: member.user_id };
  await tell(change, {
    changed: [gone],
    went: { member: gone, reason },
    note: await change.note({ kind: reason, ...subject }),
  });
  return gone;
}

const counts = ({ left_at, status }: StoredMember): boolean => left_at === null && status !== 'banned';

/** Writes a member's row as the conversation's next change, and keeps `member_count`. */
async function store(change: Change, member: StoredMember): Promise<StoredMember> {
  const counted = counts(member);
  change.conversation.member_count += Number(counted) - Number(member.counted);
  const { status, muted_until, banned_until } = member;
  const until = {
    muted_until: status === 'muted' ? muted_until : null,
    banned_until: status === 'banned' ? banned_until : null,
  };
  const stored = { ...member, ...until, counted, rev: change.nextRev('members') };
  await storeMember(change.sql, change.conversation.id, stored);
  return stored;
}

/** When an earlier delivery of this command wrote its system message: tells its news again, as things are now. Answers the member then. */
async function retell(change: Change, userId: string): Promise<StoredMember | undefined> {
  const note = await change.earlierNote();
  const member = note && (await findMember(change.sql, change.conversation.id, userId));
  if (!member) return undefined;
  const { kind } = note.system!;
  const reason = kind === 'left' || kind === 'removed' || kind === 'banned' ? kind : undefined;
  const own = kind === 'creator' ? await findMember(change.sql, change.conversation.id, change.userId) : undefined;
  await tell(change, {
    changed: own ? [own, member] : [member],
    note,
    ...(member.counted
      ? reason === undefined && kind !== 'creator'
        ? { came: member }
        : {}
      : reason === undefined
        ? {}
        : { went: { member, reason } }),
  });
  return member;
}

async function tell(change: Change, { changed, came, went, note }: Story): Promise<void> {
  const to = await change.audience();
  const { id, member_count: memberCount } = change.conversation;
  if (came) change.news.push(await welcome(change, came));
  if (went)
    change.news.push({
      to: [went.member.user_id],
      event: 'conversation:removed',
      payload: { conversationId: id, reason: went.reason },
      id: `${id}:${went.member.rev}:removed`,
    });
  for (const member of changed) {
    const news = {
      conversationId: id,
      rev: member.rev,
      ...(member.left_at === null ? { member: toMember(member) } : { userId: member.user_id, left: true as const }),
    };
    change.news.push(
      { to, event: 'member:changed', payload: { ...news, memberCount }, id: `${id}:${member.rev}` },
      { publish: 'member.changed.v1', payload: news },
    );
  }
  if (note)
    change.news.push(
      { to, event: 'message:new', payload: { message: note }, id: `${id}:${note.rev}` },
      { publish: 'message.created.v1', payload: { messages: [note] } },
    );
}

/** The conversation as it is after this change, to who has just come into it. */
async function welcome(change: Change, { user_id, rev }: StoredMember): Promise<News> {
  const { sql, conversation } = change;
  await change.save();
  const me = await membershipOf(sql, conversation.id, user_id);
  const lastMessage = await lastMessageOf(sql, conversation.id);
  return {
    to: [user_id],
    event: 'conversation:new',
    payload: { conversation: toConversation(conversation, me, lastMessage) },
    id: `${conversation.id}:${rev}:new`,
  };
}

import { toMember } from '@parley/chat';
import { ChatError, type Message, type SystemNote } from '@parley/contracts';
import type { ConversationChange, OutgoingEvent } from '../commands/change.js';
import { messageNew } from '../commands/runner.js';
import { findMember, storeMember, type StoredMember } from './sql.js';

type Removal = 'left' | 'removed' | 'banned';

/** A published change of members. */
interface MembershipChange {
  /** Members whose rows changed. */
  readonly changed: readonly StoredMember[];
  /** The new member, who receives the whole conversation. */
  readonly joined?: StoredMember;
  /** The former member. */
  readonly removed?: { readonly member: StoredMember; readonly reason: Removal };
  readonly note?: Message | undefined;
}

export async function publishMembership(
  change: ConversationChange,
  { changed, joined, removed, note }: MembershipChange,
): Promise<void> {
  const to = await change.audience();
  const { id, member_count: memberCount } = change.conversation;
  if (joined) change.events.push(await conversationNew(change, joined));
  if (removed)
    change.events.push({
      to: [removed.member.user_id],
      event: 'conversation:removed',
      payload: { conversationId: id, reason: removed.reason },
      id: `${id}:${removed.member.rev}:removed`,
    });
  for (const member of changed) {
    const payload = {
      conversationId: id,
      rev: member.rev,
      ...(member.left_at === null ? { member: toMember(member) } : { userId: member.user_id, left: true as const }),
    };
    change.events.push(
      { to, event: 'member:changed', payload: { ...payload, memberCount }, id: `${id}:${member.rev}` },
      { publish: 'member.changed.v1', payload },
    );
  }
  if (note) change.events.push(messageNew(to, note), { publish: 'message.created.v1', payload: { messages: [note] } });
}

/** The conversation as of this change, for a new member. */
async function conversationNew(change: ConversationChange, { user_id, rev }: StoredMember): Promise<OutgoingEvent> {
  return {
    to: [user_id],
    event: 'conversation:new',
    payload: { conversation: await change.viewOf(user_id) },
    id: `${change.conversation.id}:${rev}:new`,
  };
}

/**
 * Publishes the membership change of an earlier delivery of this command again, with the current state. Returns the
 * member; undefined when no earlier delivery wrote a system message.
 */
export async function republishMembership(
  change: ConversationChange,
  userId: string,
): Promise<StoredMember | undefined> {
  const note = await change.earlierSystemMessage();
  const member = note && (await findMember(change.sql, change.conversation.id, userId));
  if (!member) return undefined;
  const { kind } = note.system!;
  const reason = kind === 'left' || kind === 'removed' || kind === 'banned' ? kind : undefined;
  const handedOver = kind === 'creator';
  const own = handedOver ? await findMember(change.sql, change.conversation.id, change.userId) : undefined;
  await publishMembership(change, {
    changed: own ? [own, member] : [member],
    note,
    ...(member.counted && reason === undefined && !handedOver ? { joined: member } : {}),
    ...(!member.counted && reason !== undefined ? { removed: { member, reason } } : {}),
  });
  return member;
}

/** Whether `member_count` includes a member with these values. */
export const isCounted = ({ left_at, status }: Pick<StoredMember, 'left_at' | 'status'>): boolean =>
  left_at === null && status !== 'banned';

/** Stores a member's row as the conversation's next change, and adjusts `member_count`. */
export async function store(change: ConversationChange, member: StoredMember): Promise<StoredMember> {
  const counted = isCounted(member);
  change.conversation.member_count += Number(counted) - Number(member.counted);
  const { status, muted_until, banned_until } = member;
  const stored = {
    ...member,
    muted_until: status === 'muted' ? muted_until : null,
    banned_until: status === 'banned' ? banned_until : null,
    counted,
    rev: change.nextRev('members'),
  };
  await storeMember(change.sql, change.conversation.id, stored);
  return stored;
}

/**
 * Makes a user a member; `addedBy` is null when they join by themselves. A mute from an earlier membership remains.
 * Positions begin at the next message, the system message that announces the member.
 */
export async function addMember(
  change: ConversationChange,
  userId: string,
  role: 'admin' | 'member',
  addedBy: string | null,
): Promise<StoredMember> {
  const { conversation, now } = change;
  const earlier = await findMember(change.sql, conversation.id, userId);
  const mute =
    earlier?.status === 'muted'
      ? { status: 'muted', muted_until: earlier.muted_until }
      : { status: 'active', muted_until: null };
  const base_seq = conversation.last_seq + 1;
  const position = Math.max(base_seq, earlier?.read_seq ?? 0);
  return store(change, {
    user_id: userId,
    role,
    ...mute,
    banned_until: null,
    joined_at: now,
    base_seq,
    left_at: null,
    added_by: addedBy,
    rev: 0,
    counted: false,
    read_seq: position,
    delivered_seq: position,
  });
}

/** Ends a membership. The former member gets `conversation:removed`; the system message goes to the others. */
export async function removeMember(
  change: ConversationChange,
  member: StoredMember,
  reason: Removal,
): Promise<StoredMember> {
  const removed = await store(change, reason === 'banned' ? member : { ...member, left_at: change.now });
  const subject: Pick<SystemNote, 'userId'> = reason === 'left' ? {} : { userId: member.user_id };
  await publishMembership(change, {
    changed: [removed],
    removed: { member: removed, reason },
    note: await change.note({ kind: reason, ...subject }),
  });
  return removed;
}

/** Refuses one more member in a full conversation. */
export function requireRoom({ conversation }: ConversationChange, membersPerGroup: number): void {
  if (conversation.member_count >= membersPerGroup)
    throw new ChatError('too_large', `A conversation has at most ${membersPerGroup} members`);
}

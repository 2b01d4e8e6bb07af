/** Who may see a conversation, what a member may do in it, and who is blocked there. */
import { ChatError, identitiesOf, type Actor, type Conversation, type Policy, type Role } from '@parley/contracts';
import type { Row, Sql } from '@parley/store';
import { preferenceJoin, statusNow, unreadAbove } from './members.js';

/** The part of a conversation's row that decides access. */
interface Visibility {
  readonly visibility: string;
  readonly deleted_at: Date | null;
}
/** A user's row in a conversation, with their current status. All null for a user who was never a member. */
export interface MemberState {
  readonly role: string | null;
  readonly status: string | null;
  readonly left_at: Date | null;
}

/**
 * `member`: only members pass. `visible`: members pass, and in a public conversation everybody who is not banned.
 */
export type Access = 'member' | 'visible';

/** True for a member who has not left and is not banned. In SQL: `isMemberNow`. */
const isMember = ({ role, status, left_at }: MemberState): boolean =>
  role !== null && left_at === null && status !== 'banned';

/**
 * The error for a user without access to a conversation; undefined for a user with access. Strangers and former members
 * get the same answer for a private conversation as for one that does not exist. Banned users get `banned`.
 */
export function accessRefusal(
  conversation: Visibility | undefined,
  member: MemberState | undefined,
  access: Access,
): ChatError | undefined {
  if (conversation === undefined || conversation.deleted_at !== null)
    return new ChatError('not_found', 'No such conversation');
  if (member?.status === 'banned') return new ChatError('banned');
  if (member && isMember(member)) return undefined;
  if (conversation.visibility === 'private') return new ChatError('not_found', 'No such conversation');
  return access === 'visible' ? undefined : new ChatError('forbidden', 'Join the conversation first');
}

/** A conversation's description and counters, and the user's row in it. */
export interface ConversationAccess extends Row {
  id: string;
  kind: 'direct' | 'group' | 'channel';
  visibility: 'private' | 'public';
  policy: Policy;
  last_seq: number;
  rev: number;
  conversation_rev: number;
  members_rev: number;
  drawing_rev: number;
  member_count: number;
  deleted_at: Date | null;
  role: string | null;
  status: string | null;
  left_at: Date | null;
  /** Messages with a greater `seq` are unread. */
  unread_above: number | null;
}
const ACCESS = `
  select c.id, c.kind, c.visibility, c.policy, c.last_seq, c.rev, c.conversation_rev, c.members_rev, c.drawing_rev, c.member_count, c.deleted_at,
    m.role, ${statusNow('m')} as status, m.left_at, ${unreadAbove('m', 'k', 'p')} as unread_above
  from chat.conversation c
  left join chat.member m on m.conversation_id = c.id and m.user_id = $2
  left join history.cursor k on k.conversation_id = c.id and k.user_id = $2
  ${preferenceJoin('m', 'p')}
  where c.id = $1`;

async function requireAccess(
  sql: Sql,
  conversationId: string,
  userId: string,
  access: Access,
): Promise<ConversationAccess> {
  const [row] = await sql.query<ConversationAccess>(ACCESS, [conversationId, userId]);
  const refused = accessRefusal(row, row, access);
  if (refused) throw refused;
  return row!;
}

/** Reads a conversation, without locking it, for a user with access. Throws the {@link accessRefusal} for others. */
export const requireVisible = (sql: Sql, conversationId: string, userId: string): Promise<ConversationAccess> =>
  requireAccess(sql, conversationId, userId, 'visible');
/** Reads a conversation, without locking it, for one of its members. Throws the {@link accessRefusal} of others. */
export const requireMember = (sql: Sql, conversationId: string, userId: string): Promise<ConversationAccess> =>
  requireAccess(sql, conversationId, userId, 'member');

/**
 * Awaits a check of access to the conversation of a thing. Those who may not see the conversation get `missing`, the
 * refusal for a thing that does not exist, so that they do not learn that it exists. `alsoBeforeJoining`: so do those who
 * might join it, where the thing is not for all members.
 */
export async function hidingThing<T>(
  missing: () => ChatError,
  check: Promise<T>,
  { alsoBeforeJoining = false } = {},
): Promise<T> {
  try {
    return await check;
  } catch (error) {
    if (!(error instanceof ChatError)) throw error;
    throw error.code === 'not_found' || (alsoBeforeJoining && error.code === 'forbidden') ? missing() : error;
  }
}

// Permissions

const all: readonly Role[] = ['creator', 'admin', 'member'];
const leaders: readonly Role[] = ['creator', 'admin'];
const creator: readonly Role[] = ['creator'];
const nobody: readonly Role[] = [];
const everywhere = (roles: readonly Role[]) => ({ direct: roles, group: roles, channel: roles });
/** Nobody may do it in a direct conversation, where both people have the role `creator`. */
const notInDirect = (roles: readonly Role[]) => ({ direct: nobody, group: roles, channel: roles });

/**
 * The roles that may do each action, by the kind of conversation. All commands use this table. {@link outranks}
 * restricts the members that an action may target.
 */
export const permissions = {
  write: { direct: all, group: all, channel: leaders },
  draw: { direct: all, group: all, channel: leaders },
  react: everywhere(all),
  pin: everywhere(leaders),
  /** Messages of others. Everybody may delete their own. */
  deleteOthers: everywhere(leaders),
  webhooks: everywhere(leaders),
  /** With `membersInvite` in the policy, members may too. */
  invite: notInDirect(leaders),
  remove: notInDirect(leaders),
  mute: notInDirect(leaders),
  ban: notInDirect(leaders),
  /** Make a member an admin, or an admin a member. */
  promote: notInDirect(creator),
  handOver: notInDirect(creator),
  /** Title, topic, colour, policy. */
  describe: notInDirect(leaders),
  /** Make a private conversation public with its whole history, or a public one private. */
  changeVisibility: notInDirect(creator),
  delete: notInDirect(creator),
  leave: notInDirect(all),
} as const satisfies Record<string, Readonly<Record<Conversation['kind'], readonly Role[]>>>;
/** An action that {@link permissions} allows to some roles. */
export type Action = keyof typeof permissions;

/** Actions that muted members keep. */
const allowedWhenMuted: readonly Action[] = ['leave'];

type PermissionScope = Pick<Conversation, 'kind' | 'policy'>;
/** A conversation and the caller's row in it. In the messages service, `ConversationChange` has this shape. */
export interface PermissionContext {
  readonly conversation: PermissionScope;
  readonly member: Pick<MemberState, 'role' | 'status'>;
}

/** True when the role allows the action. Mutes are not considered. `role` is null for strangers, who may do nothing. */
export function may(role: string | null, action: Action, { kind, policy }: PermissionScope): boolean {
  if (action === 'invite' && role === 'member' && kind !== 'direct' && policy.membersInvite === true) return true;
  return (permissions[action][kind] as readonly (string | null)[]).includes(role);
}

/**
 * The error for an action that a member may not do; undefined if it is allowed. `forbidden` (the role) comes before
 * `muted`.
 */
export function permissionRefusal(action: Action, { conversation, member }: PermissionContext): ChatError | undefined {
  if (!may(member.role, action, conversation)) return new ChatError('forbidden', 'Your role does not allow that here');
  return member.status === 'muted' && !allowedWhenMuted.includes(action) ? new ChatError('muted') : undefined;
}

/** Throws unless the member may do all of the actions. `forbidden` of any action comes before `muted` of another. */
export function requirePermission(actions: Action | readonly Action[], context: PermissionContext): void {
  const refusals = [actions].flat().flatMap((action) => permissionRefusal(action, context) ?? []);
  if (refusals.length > 0) throw refusals.find(({ code }) => code === 'forbidden') ?? refusals[0]!;
}

const rank = (role: string | null): number => [...all].reverse().indexOf(role as Role);
/**
 * True when `role` is above `other`: members may remove, mute and ban only lower roles, so admins cannot target the
 * creator or each other.
 */
export const outranks = (role: string | null, other: string | null): boolean => rank(role) > rank(other);

/** False when the policy keeps guests from becoming members. */
export const admitsGuests = ({ guests }: Conversation['policy']): boolean => guests !== false;

// Blocks

/** SQL: true when one of two users blocks the other. */
export const blockBetween = (user: string, other: string): string =>
  `(exists (select 1 from chat.block b where b.blocker_id = ${user} and b.blocked_id = ${other})
    or exists (select 1 from chat.block b where b.blocker_id = ${other} and b.blocked_id = ${user}))`;

/** SQL: true when one of the users of an array and the other user block each other. */
export const blockWithAny = (users: string, other: string): string =>
  `(exists (select 1 from chat.block b where b.blocker_id = any(${users}) and b.blocked_id = ${other})
    or exists (select 1 from chat.block b where b.blocker_id = ${other} and b.blocked_id = any(${users})))`;

/** SQL: true when the user blocks anybody or is blocked by anybody. */
export const hasBlocks = (user: string): string =>
  `(exists (select 1 from chat.block b where b.blocker_id = ${user}) or exists (select 1 from chat.block b where b.blocked_id = ${user}))`;

const BLOCKED = `
  select q.n from unnest($1::uuid[], $2::uuid[]) with ordinality as q(conversation_id, user_id, n)
  join chat.member o on o.conversation_id = q.conversation_id and o.user_id <> q.user_id
  where ${blockBetween('q.user_id', 'o.user_id')}`;

/**
 * Indexes of the callers who block the other person of a direct conversation, or whom that person blocks. A bot counts
 * as its owner, too. Every entry must name a direct conversation. No query for an empty list.
 */
export async function blockedCallers(
  sql: Sql,
  callers: readonly { readonly conversationId: string; readonly caller: Pick<Actor, 'userId' | 'ownerId'> }[],
): Promise<Set<number>> {
  if (callers.length === 0) return new Set();
  const pairs = callers.flatMap(({ conversationId, caller }, at) =>
    identitiesOf(caller).map((userId) => ({ at, conversationId, userId })),
  );
  const rows = await sql.query<{ n: number }>(BLOCKED, [
    pairs.map(({ conversationId }) => conversationId),
    pairs.map(({ userId }) => userId),
  ]);
  return new Set(rows.map(({ n }) => pairs[n - 1]!.at));
}

/**
 * False where {@link blockedCallers} cannot find anything: the conversation is not direct, or the user neither blocks
 * anybody nor is blocked (see {@link hasBlocks}).
 */
export const mayBeBlocked = (
  { kind }: { readonly kind: string },
  { has_blocks }: { readonly has_blocks: boolean },
): boolean => kind === 'direct' && has_blocks;

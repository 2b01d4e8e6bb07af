import { ChatError, type Conversation, type Role } from '@parley/contracts';
import type { MemberState } from './access.js';

const all: readonly Role[] = ['creator', 'admin', 'member'];
const leaders: readonly Role[] = ['creator', 'admin'];
const creator: readonly Role[] = ['creator'];
const nobody: readonly Role[] = [];
const everywhere = (roles: readonly Role[]) => ({ direct: roles, group: roles, channel: roles });
/** Both people of a direct conversation have role `creator`. Nobody may change its members or description. */
const notInDirect = (roles: readonly Role[]) => ({ direct: nobody, group: roles, channel: roles });

/** The roles that may do each action, by the kind of conversation. All commands use this table. {@link outranks} restricts the members that an action may target. */
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
  /** Title, topic, color, policy. */
  describe: notInDirect(leaders),
  /** Make a private conversation public with its whole history, or a public one private. */
  publish: notInDirect(creator),
  delete: notInDirect(creator),
  leave: notInDirect(all),
} as const satisfies Record<string, Readonly<Record<Conversation['kind'], readonly Role[]>>>;
/** An action that {@link permissions} allows to some roles. */
export type Action = keyof typeof permissions;

/** Actions that muted members keep. */
const allowedWhenMuted: readonly Action[] = ['leave'];

type Rules = Pick<Conversation, 'kind' | 'policy'>;
/** A conversation and the caller's row in it. In the messages service, `ConversationChange` has this shape. */
export interface PermissionContext {
  readonly conversation: Rules;
  readonly member: Pick<MemberState, 'role' | 'status'>;
}

/** True when the role allows the action. Mutes are not considered. `role` is null for strangers, who may do nothing. */
export function may(role: string | null, action: Action, { kind, policy }: Rules): boolean {
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
/** True when `role` is above `other`: members may remove, mute and ban only lower roles, so admins cannot target the creator or each other. */
export const outranks = (role: string | null, other: string | null): boolean => rank(role) > rank(other);

/** False when the policy keeps guests from becoming members. */
export const admitsGuests = ({ guests }: Conversation['policy']): boolean => guests !== false;

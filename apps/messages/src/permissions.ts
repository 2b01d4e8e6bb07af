import { ChatError, type Conversation, type Role } from '@parley/contracts';
import type { LockedConversation, Sender } from './send-sql.js';

const all: readonly Role[] = ['creator', 'admin', 'member'];
const leaders: readonly Role[] = ['creator', 'admin'];
const creator: readonly Role[] = ['creator'];
const nobody: readonly Role[] = [];
const everywhere = (roles: readonly Role[]) => ({ direct: roles, group: roles, channel: roles });
/** Both people of a direct conversation have role `creator`. What would make it another conversation is nobody's there. */
const notInDirect = (roles: readonly Role[]) => ({ direct: nobody, group: roles, channel: roles });

/** Who may do what, by the kind of the conversation: the one table behind all commands. Whom it may be done to is {@link outranks}. */
export const permissions = {
  write: { direct: all, group: all, channel: leaders },
  draw: { direct: all, group: all, channel: leaders },
  react: everywhere(all),
  pin: everywhere(leaders),
  /** Others' messages; one's own are everybody's to delete. */
  deleteOthers: everywhere(leaders),
  webhooks: everywhere(leaders),
  /** Members too, where the policy has `membersInvite`. */
  invite: notInDirect(leaders),
  remove: notInDirect(leaders),
  mute: notInDirect(leaders),
  ban: notInDirect(leaders),
  /** Make somebody an admin, or a plain member again. */
  promote: notInDirect(creator),
  handOver: notInDirect(creator),
  /** Title, topic, colour, policy. */
  describe: notInDirect(leaders),
  /** Make a private conversation public, with all of its history, or the reverse. */
  publish: notInDirect(creator),
  delete: notInDirect(creator),
  leave: notInDirect(all),
} as const satisfies Record<string, Readonly<Record<Conversation['kind'], readonly Role[]>>>;
export type Action = keyof typeof permissions;

/** Muted, one still reads, and may go. */
const evenMuted: readonly Action[] = ['leave'];

/** Whether somebody with this role in the conversation may do it, were they not muted. `role`: a member's; null for others, who may nothing. */
export function may(
  role: string | null,
  action: Action,
  { kind, policy }: Pick<LockedConversation, 'kind' | 'policy'>,
): boolean {
  if (action === 'invite' && role === 'member' && kind !== 'direct' && policy.membersInvite === true) return true;
  return (permissions[action][kind] as readonly (string | null)[]).includes(role);
}

/** Why a member may not do it, or nothing: `forbidden` for what their role may not, and only then `muted`. */
export function refusalTo(
  action: Action,
  {
    conversation,
    standing,
  }: { readonly conversation: LockedConversation; readonly standing: Pick<Sender, 'role' | 'status'> },
): ChatError | undefined {
  if (!may(standing.role, action, conversation))
    return new ChatError('forbidden', 'Your role does not allow that here');
  return standing.status === 'muted' && !evenMuted.includes(action) ? new ChatError('muted') : undefined;
}

/** Throws what keeps a member from one of these actions: what their role may not, before what they may not while muted. Takes a `Change` as it is. */
export function demand(actions: Action | readonly Action[], change: Parameters<typeof refusalTo>[1]): void {
  const refused = [actions].flat().flatMap((action) => refusalTo(action, change) ?? []);
  if (refused.length > 0) throw refused.find(({ code }) => code === 'forbidden') ?? refused[0]!;
}

const rank = (role: string | null): number => [...all].reverse().indexOf(role as Role);
/** Whom a member may remove, mute or ban: those of a lower role. So admins touch neither the creator nor each other. */
export const outranks = (role: string | null, other: string | null): boolean => rank(role) > rank(other);

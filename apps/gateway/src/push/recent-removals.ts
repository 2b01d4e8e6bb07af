import type { PushFrame } from '@parley/contracts';

type UsersFrame = Extract<PushFrame, { kind: 'users' }>;
interface Removal {
  readonly users: ReadonlySet<string>;
  readonly at: number;
}

/** Maximum delay of a frame that was published before a removal and arrives after it. */
const LATE_FRAME_MS = 30_000;
/** Maximum number of remembered members; beyond that, the oldest are forgotten. */
const MAX_USERS = 100_000;

/** The conversation of a frame, if any. */
function conversationOf(payload: unknown): string | undefined {
  const { conversationId, message, conversation } = payload as {
    conversationId?: string;
    message?: { conversationId?: string };
    conversation?: { id?: string };
  };
  return conversationId ?? message?.conversationId ?? conversation?.id;
}

/**
 * The members that were just removed from a conversation. Several processes push about one conversation, so a frame
 * published before a removal may arrive after it: removed members do not get it any more (I8). Between
 * `conversation:removed` and `conversation:new` a user receives no event of the conversation. Empty except shortly
 * after removals.
 */
export class RecentRemovals {
  /** By conversation, the latest last: its removed members, and the time of the last removal. */
  private readonly removals = new Map<string, Removal>();
  private userCount = 0;

  constructor(
    private readonly maxUsers = MAX_USERS,
    private readonly now: () => number = Date.now,
  ) {}

  /** The users that a frame may still go to. Frames must be passed in the order in which they arrived. */
  audience({ event, users, payload }: Pick<UsersFrame, 'event' | 'users' | 'payload'>): readonly string[] {
    if (event === 'conversation:removed')
      return this.remove((payload as { conversationId: string }).conversationId, users);
    if (this.removals.size === 0) return users;
    this.forgetOld();
    const conversationId = conversationOf(payload);
    const removal = conversationId === undefined ? undefined : this.removals.get(conversationId);
    if (!removal) return users;
    if (event === 'conversation:new') return this.readmit(conversationId!, removal, users);
    return users.filter((userId) => !removal.users.has(userId));
  }

  private remove(conversationId: string, users: readonly string[]): readonly string[] {
    this.forgetOld();
    const before = this.removals.get(conversationId)?.users ?? [];
    // Deleted first, so that it comes last in the map.
    this.set(conversationId, undefined);
    this.set(conversationId, { users: new Set([...before, ...users]), at: this.now() });
    return users;
  }

  private readmit(
    conversationId: string,
    { users: removed, at }: Removal,
    users: readonly string[],
  ): readonly string[] {
    const readmitted = new Set(users);
    const remaining = [...removed].filter((userId) => !readmitted.has(userId));
    this.set(conversationId, remaining.length === 0 ? undefined : { users: new Set(remaining), at });
    return users;
  }

  private set(conversationId: string, removal: Removal | undefined): void {
    this.userCount += (removal?.users.size ?? 0) - (this.removals.get(conversationId)?.users.size ?? 0);
    if (removal) this.removals.set(conversationId, removal);
    else this.removals.delete(conversationId);
  }

  private forgetOld(): void {
    const since = this.now() - LATE_FRAME_MS;
    for (const [conversationId, { users, at }] of this.removals) {
      if (at > since && this.userCount <= this.maxUsers) return;
      this.removals.delete(conversationId);
      this.userCount -= users.size;
    }
  }
}

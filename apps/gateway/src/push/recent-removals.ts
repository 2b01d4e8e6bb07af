import type { PushFrame } from '@parley/contracts';
import { without } from '@parley/faults';

type UsersFrame = Extract<PushFrame, { kind: 'users' }>;
interface Left {
  readonly users: ReadonlySet<string>;
  readonly at: number;
}

/** How long after somebody's removal a frame may still come that was on its way before. */
const LATE_MS = 30_000;
/** Departures that are remembered; of more, the oldest are forgotten. */
const MOST = 100_000;

/** The conversation that a frame tells of, if it tells of one. */
function conversationOf(payload: unknown): string | undefined {
  const { conversationId, message, conversation } = payload as {
    conversationId?: string;
    message?: { conversationId?: string };
    conversation?: { id?: string };
  };
  return conversationId ?? message?.conversationId ?? conversation?.id;
}

/**
 * Who was just removed from which conversation. Several processes push about one conversation, so a frame that was published before a removal may come after it: it is not for
 * those who were removed any more (I8). Between `conversation:removed` and `conversation:new` a user hears nothing of the conversation. Empty but for the moments after removals.
 */
export class Departures {
  /** By conversation, the oldest first: who left it, and when the last one did. */
  private readonly left = new Map<string, Left>();
  private count = 0;

  constructor(
    private readonly most = MOST,
    private readonly now: () => number = Date.now,
  ) {}

  /** Those whom a frame is still for. Frames have to be shown here in the order in which they came. */
  audience({ event, users, payload }: Pick<UsersFrame, 'event' | 'users' | 'payload'>): readonly string[] {
    if (event === 'conversation:removed')
      return this.leave((payload as { conversationId: string }).conversationId, users);
    if (this.left.size === 0 || without('membership-on-push')) return users;
    this.forget();
    const conversationId = conversationOf(payload);
    const left = conversationId === undefined ? undefined : this.left.get(conversationId);
    if (!left) return users;
    if (event === 'conversation:new') return this.enter(conversationId!, left, users);
    return users.filter((userId) => !left.users.has(userId));
  }

  private leave(conversationId: string, users: readonly string[]): readonly string[] {
    this.forget();
    const before = this.left.get(conversationId)?.users ?? [];
    this.set(conversationId, undefined);
    this.set(conversationId, { users: new Set([...before, ...users]), at: this.now() });
    return users;
  }

  private enter(conversationId: string, { users: gone, at }: Left, users: readonly string[]): readonly string[] {
    const back = new Set(users);
    const still = [...gone].filter((userId) => !back.has(userId));
    this.set(conversationId, still.length === 0 ? undefined : { users: new Set(still), at });
    return users;
  }

  /** What is set anew after it was unset comes last, with the newest. */
  private set(conversationId: string, left: Left | undefined): void {
    this.count += (left?.users.size ?? 0) - (this.left.get(conversationId)?.users.size ?? 0);
    if (left) this.left.set(conversationId, left);
    else this.left.delete(conversationId);
  }

  private forget(): void {
    const since = this.now() - LATE_MS;
    for (const [conversationId, { users, at }] of this.left) {
      if (at > since && this.count <= this.most) return;
      this.left.delete(conversationId);
      this.count -= users.size;
    }
  }
}

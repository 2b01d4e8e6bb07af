import { ChatError, type CallName } from '@parley/contracts';

/** Calls whose answers may be as large as an answer may be. */
const LARGE: ReadonlySet<CallName> = new Set<CallName>([
  'user.list',
  'contact.list',
  'block.list',
  'conversation.list',
  'conversation.public',
  'conversation.open',
  'conversation.history',
  'conversation.changes',
  'conversation.members',
  'unread.list',
  'sync',
  'message.pins',
  'message.edits',
  'drawing.get',
]);
/** Enough for a client that starts. `USER_LIMIT_SCALE` multiplies it. */
const MAX_AT_A_TIME = 4;
/** With the longest that a call takes, less than the 10 s in which it is answered. */
const MAX_WAIT_MS = 1_500;
const RETRY_MS = 500;

interface Places {
  taken: number;
  /** Those who wait for a place, in their order. */
  readonly waiting: Set<() => void>;
}

/**
 * Lets each user have a few calls with large answers under way at this gateway: dozens at the same moment, which the
 * rates allow, would hold up everybody else.
 */
export class LargeAnswers {
  private readonly users = new Map<string, Places>();
  private readonly max: number;

  constructor(scale: number) {
    this.max = Math.max(1, Math.round(MAX_AT_A_TIME * scale));
  }

  /** Makes the call when the user has a place for it. Rejects with `rate_limited` when that takes too long. */
  async make<T>(name: CallName, spender: string, make: () => Promise<T>): Promise<T> {
    if (!LARGE.has(name)) return make();
    const places = this.users.get(spender) ?? { taken: 0, waiting: new Set<() => void>() };
    this.users.set(spender, places);
    if (places.taken < this.max) places.taken++;
    else await handedOver(places);
    try {
      return await make();
    } finally {
      const [next] = places.waiting;
      if (next) next();
      else if (--places.taken === 0) this.users.delete(spender);
    }
  }
}

function handedOver({ waiting }: Places): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const take = () => {
    waiting.delete(take);
    clearTimeout(timer);
    resolve();
  };
  const timer = setTimeout(() => {
    waiting.delete(take);
    reject(new ChatError('rate_limited', 'too many large answers at a time', { retryAfterMs: RETRY_MS }));
  }, MAX_WAIT_MS);
  waiting.add(take);
  return promise;
}

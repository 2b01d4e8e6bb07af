import type { CallName } from '@parley/contracts';
import { Places } from './places.js';

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
  'message.files',
  'message.edits',
  'drawing.get',
  'notification.list',
]);
/** Enough for a client that starts. `USER_LIMIT_SCALE` multiplies it. */
const MAX_AT_A_TIME = 4;
/** With the longest that a call takes, less than the 10 s in which it is answered. */
const MAX_WAIT_MS = 1_500;

/**
 * Lets each user have a few calls with large answers under way at this gateway: dozens at the same moment, which the
 * rates allow, would hold up everybody else.
 */
export class LargeAnswers {
  private readonly places: Places;

  constructor(scale: number) {
    this.places = new Places({
      max: Math.max(1, Math.round(MAX_AT_A_TIME * scale)),
      maxWaitMs: MAX_WAIT_MS,
      refusal: 'too many large answers at a time',
    });
  }

  /** Makes the call when the user has a place for it. Rejects with `rate_limited` when that takes too long. */
  make<T>(name: CallName, spender: string, make: () => Promise<T>): Promise<T> {
    return LARGE.has(name) ? this.places.hold(spender, make) : make();
  }
}

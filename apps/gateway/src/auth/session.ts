import type { User } from '@parley/contracts';

/** The session that a valid token belongs to. */
export interface Session {
  readonly userId: string;
  readonly sessionId: string;
  readonly kind: User['kind'];
  /** Present for bots only. */
  readonly ownerId?: string | undefined;
}

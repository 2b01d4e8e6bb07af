import { Injectable } from '@nestjs/common';
import { Broker } from '@parley/broker';

const DEADLINE_MS = 3_000;
/** How long a session learned from an event is kept although auth's list does not name it: longer than an event can be ahead of the list. */
const EVENT_KEEP_MS = 60_000;

/**
 * The ended sessions whose tokens are refused. They come at once from `session.revoked.v1`, and from auth's list of all sessions that ended within the lifetime of an access token: a session that falls
 * off the list has no valid token left and is forgotten.
 */
@Injectable()
export class Revocations {
  /** When each session was learned of. */
  private readonly ended = new Map<string, number>();
  /** Milliseconds that auth's clock, by which tokens are issued, is ahead of this process's. */
  private authAheadMs = 0;
  private everLoaded = false;
  private loading: Promise<string[]> | undefined;

  constructor(private readonly broker: Broker) {}

  get loaded(): boolean {
    return this.everLoaded;
  }

  has(sessionId: string): boolean {
    return this.ended.has(sessionId);
  }

  /** Whether a token that is valid until `expires` (seconds since 1970) has expired by the clock that issued it. This process's own clock may be wrong. */
  hasExpired(expires: number): boolean {
    return expires * 1000 <= Date.now() + this.authAheadMs;
  }

  /** Refuses the tokens of these sessions from now on. */
  add(sessionIds: readonly string[]): void {
    for (const sessionId of sessionIds) this.ended.set(sessionId, Date.now());
  }

  /** Resolves once the list was loaded at least once; rejects with `unavailable` while it cannot be. */
  async ready(): Promise<void> {
    if (!this.everLoaded) await this.load();
  }

  /** Loads auth's list. Returns the sessions that were not known to have ended. Rejects with `unavailable` and then keeps what it has. */
  load(): Promise<string[]> {
    this.loading ??= this.fetch().finally(() => (this.loading = undefined));
    return this.loading;
  }

  private async fetch(): Promise<string[]> {
    const askedAt = Date.now();
    const { sessionIds, at } = await this.broker.request('auth.revocations.v1', {}, { deadlineMs: DEADLINE_MS });
    if (at !== undefined) this.authAheadMs = at - (askedAt + Date.now()) / 2;
    const listed = new Set(sessionIds);
    const added = sessionIds.filter((sessionId) => !this.ended.has(sessionId));
    for (const [sessionId, learnedAt] of this.ended) {
      if (!listed.has(sessionId) && askedAt - learnedAt > EVENT_KEEP_MS) this.ended.delete(sessionId);
    }
    this.add(added);
    this.everLoaded = true;
    return added;
  }
}

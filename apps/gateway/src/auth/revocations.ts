import { Injectable } from '@nestjs/common';
import { Broker } from '@parley/broker';

const DEADLINE_MS = 3_000;
/**
 * Time for which a session from an event is kept without being in auth's list: longer than an event can be ahead of the
 * list.
 */
const EVENT_KEEP_MS = 60_000;

/**
 * The ended sessions, whose tokens are refused. Sources are `session.revoked.v1`, and auth's list of sessions that
 * ended within the lifetime of an access token. A session no longer in the list has no valid token left and is
 * forgotten.
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

  /**
   * Whether a token that is valid until `expires` (seconds since 1970) has expired by the clock that issued it. This
   * process's own clock may be wrong.
   */
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

  /** Loads auth's list. Returns the newly ended sessions. On `unavailable` it rejects and keeps its state. */
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

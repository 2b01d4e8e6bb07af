import { Inject, Injectable } from '@nestjs/common';
import { PARTS, type GatewayParts } from '../parts.js';

/** Longer than an event can be ahead of the list that auth answers. */
const EVENT_KEEP_MS = 60_000;

/**
 * Sessions whose tokens are refused. Learned at once from `session.revoked.v1`, and from auth's list, which holds all that ended
 * within the lifetime of an access token: what falls off the list has no valid token left and is forgotten.
 */
@Injectable()
export class Revocations {
  private readonly refused = new Map<string, number>();
  /** Milliseconds that the clock by which tokens are issued is ahead of this process's. */
  private ahead = 0;
  private everLoaded = false;
  private loading: Promise<string[]> | undefined;

  constructor(@Inject(PARTS) private readonly parts: Pick<GatewayParts, 'broker'>) {}

  get loaded(): boolean {
    return this.everLoaded;
  }

  has(sessionId: string): boolean {
    return this.refused.has(sessionId);
  }

  /** Whether a token that is good until then, in seconds since 1970, is over: by the clock by which it was issued, for this process's may be wrong. */
  isOver(expires: number): boolean {
    return expires * 1000 <= Date.now() + this.ahead;
  }

  /** Refuses these from now on. */
  add(sessionIds: readonly string[]): void {
    for (const sessionId of sessionIds) this.refused.set(sessionId, Date.now());
  }

  /** Resolves once the list was had; rejects with `unavailable` while it cannot be. */
  async ready(): Promise<void> {
    if (!this.everLoaded) await this.load();
  }

  /** Brings itself up to date; answers those that were news. Rejects with `unavailable`, and then knows what it knew. */
  load(): Promise<string[]> {
    this.loading ??= this.fetch().finally(() => (this.loading = undefined));
    return this.loading;
  }

  private async fetch(): Promise<string[]> {
    const asked = Date.now();
    const { sessionIds, at } = await this.parts.broker.request('auth.revocations.v1', {}, { deadlineMs: 3_000 });
    if (at !== undefined) this.ahead = at - (asked + Date.now()) / 2;
    const listed = new Set(sessionIds);
    const news = sessionIds.filter((sessionId) => !this.refused.has(sessionId));
    for (const [sessionId, since] of this.refused) {
      if (!listed.has(sessionId) && asked - since > EVENT_KEEP_MS) this.refused.delete(sessionId);
    }
    this.add(news);
    this.everLoaded = true;
    return news;
  }
}

import type { User } from '#contracts';
import { ParleyError } from '../errors.js';

const GATHER_MS = 30;
/** The page size of the call. */
const MAX_PER_CALL = 100;
const MAX_WAITING = 2000;
const RETRY_MS = 3_000;
const RENEWAL_INTERVAL_MS = 30_000;

/**
 * Loads user profiles: each user once, when they first appear, and all users of one moment with one call. No event
 * reports changed profiles, so shown profiles are loaded again from time to time.
 */
export class UserLoader {
  private readonly requested = new Set<string>();
  private waiting: string[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private loading = false;
  private renewalTimer: ReturnType<typeof setTimeout> | undefined;
  private renewedAt = -Infinity;

  /** `shown`: the users to load again. */
  constructor(
    private readonly fetch: (userIds: readonly string[]) => Promise<readonly User[]>,
    private readonly loaded: (users: readonly User[]) => void,
    private readonly shown: () => readonly string[],
  ) {}

  /** Loads the users that have not been requested yet. */
  want(userIds: readonly string[]): void {
    for (const id of userIds) {
      if (this.requested.has(id) || this.waiting.length >= MAX_WAITING) continue;
      this.requested.add(id);
      this.waiting.push(id);
    }
    if (this.waiting.length > 0) this.schedule(GATHER_MS);
  }

  /** Loads the shown users again soon, at most every 30 s. */
  renew(): void {
    this.renewalTimer ??= setTimeout(
      () => {
        this.renewalTimer = undefined;
        this.renewedAt = Date.now();
        const waiting = new Set(this.waiting);
        const shown = this.shown().filter((id) => !waiting.has(id));
        for (const id of shown) this.requested.delete(id);
        this.want(shown);
      },
      Math.max(0, this.renewedAt + RENEWAL_INTERVAL_MS - Date.now()),
    );
  }

  /** Cancels a renewal, because the server cannot be reached. */
  disconnected(): void {
    clearTimeout(this.renewalTimer);
    this.renewalTimer = undefined;
  }

  /** This person need not be loaded. */
  skip(userId: string): void {
    this.requested.add(userId);
  }

  clear(): void {
    this.disconnected();
    this.renewedAt = -Infinity;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.requested.clear();
    this.waiting = [];
  }

  private schedule(ms: number): void {
    if (!this.loading) this.timer ??= setTimeout(() => void this.load(), ms);
  }

  private async load(): Promise<void> {
    this.timer = undefined;
    this.loading = true;
    let retryMs = 0;
    while (this.waiting.length > 0 && retryMs === 0) {
      const ids = this.waiting.splice(0, MAX_PER_CALL);
      /** `clear` forgets all requests after a sign-out. */
      const isWanted = () => ids.every((id) => this.requested.has(id));
      try {
        const users = await this.fetch(ids);
        if (isWanted()) this.loaded(users);
      } catch (error) {
        if (!(error instanceof ParleyError) || !error.temporary || !isWanted()) continue;
        this.waiting.unshift(...ids);
        retryMs = Math.max(error.retryAfterMs ?? 0, RETRY_MS);
      }
    }
    this.loading = false;
    if (this.waiting.length > 0) this.schedule(retryMs);
  }
}

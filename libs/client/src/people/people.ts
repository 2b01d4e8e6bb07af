import type { User } from '@parley/contracts';
import { ParleyError } from '../errors.js';

const GATHER_MS = 30;
/** As many as one call answers. */
const AT_A_TIME = 100;
const MOST_WAITING = 2000;
const AGAIN_MS = 3_000;
const RENEW_MS = 30_000;

/** Who people are, asked for when they appear: each once, all of one moment together. Nothing tells that somebody changed their name or picture, so those who are shown are asked for again now and then. */
export class People {
  private readonly asked = new Set<string>();
  private waiting: string[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private running = false;
  private renewal: ReturnType<typeof setTimeout> | undefined;
  private renewedAt = -Infinity;

  /** `shown`: whom a renewal asks for. */
  constructor(
    private readonly fetch: (userIds: readonly string[]) => Promise<readonly User[]>,
    private readonly found: (users: readonly User[]) => void,
    private readonly shown: () => readonly string[],
  ) {}

  want(userIds: readonly string[]): void {
    for (const id of userIds) {
      if (this.asked.has(id) || this.waiting.length >= MOST_WAITING) continue;
      this.asked.add(id);
      this.waiting.push(id);
    }
    if (this.waiting.length > 0) this.soon(GATHER_MS);
  }

  /** Asks again who is shown: soon, but not more often than every 30 s. */
  renew(): void {
    this.renewal ??= setTimeout(
      () => {
        this.renewal = undefined;
        this.renewedAt = Date.now();
        const waiting = new Set(this.waiting);
        const again = this.shown().filter((id) => !waiting.has(id));
        for (const id of again) this.asked.delete(id);
        this.want(again);
      },
      Math.max(0, this.renewedAt + RENEW_MS - Date.now()),
    );
  }

  /** There is nobody to ask. */
  disconnected(): void {
    clearTimeout(this.renewal);
    this.renewal = undefined;
  }

  /** Whom it need not ask for. */
  know(userId: string): void {
    this.asked.add(userId);
  }

  clear(): void {
    this.disconnected();
    this.renewedAt = -Infinity;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.asked.clear();
    this.waiting = [];
  }

  private soon(ms: number): void {
    if (!this.running) this.timer ??= setTimeout(() => void this.work(), ms);
  }

  private async work(): Promise<void> {
    this.timer = undefined;
    this.running = true;
    let again = 0;
    while (this.waiting.length > 0 && again === 0) {
      const asking = this.waiting.splice(0, AT_A_TIME);
      try {
        const users = await this.fetch(asking);
        // Whoever signed out meanwhile wants to know nobody.
        if (asking.every((id) => this.asked.has(id))) this.found(users);
      } catch (error) {
        if (!(error instanceof ParleyError) || !error.temporary || !asking.every((id) => this.asked.has(id))) continue;
        this.waiting.unshift(...asking);
        again = Math.max(error.retryAfterMs ?? 0, AGAIN_MS);
      }
    }
    this.running = false;
    if (this.waiting.length > 0) this.soon(again);
  }
}

import type { User } from '@parley/contracts';
import { ParleyError } from './errors.js';

const GATHER_MS = 30;
const AT_A_TIME = 4;
const MOST_WAITING = 2000;
const AGAIN_MS = 3_000;

/** Who people are, asked for when they appear: each once, a few at a time. */
export class People {
  private readonly asked = new Set<string>();
  private waiting: string[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private running = 0;

  constructor(private readonly fetch: (userId: string) => Promise<User>, private readonly found: (users: readonly User[]) => void) {}

  want(userIds: readonly string[]): void {
    for (const id of userIds) {
      if (this.asked.has(id) || this.waiting.length >= MOST_WAITING) continue;
      this.asked.add(id);
      this.waiting.push(id);
    }
    if (this.waiting.length > 0) this.timer ??= setTimeout(() => this.start(), GATHER_MS);
  }

  /** Whom it need not ask for. */
  know(userId: string): void {
    this.asked.add(userId);
  }

  clear(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.asked.clear();
    this.waiting = [];
  }

  private start(): void {
    this.timer = undefined;
    while (this.running < AT_A_TIME && this.waiting.length > 0) {
      this.running++;
      void this.work().finally(() => this.running--);
    }
  }

  private async work(): Promise<void> {
    const found: User[] = [];
    for (let id = this.waiting.shift(); id !== undefined; id = this.waiting.shift()) {
      try {
        found.push(await this.fetch(id));
      } catch (error) {
        if (!(error instanceof ParleyError) || !error.temporary) continue;
        this.waiting.push(id);
        this.timer ??= setTimeout(() => this.start(), Math.max(error.retryAfterMs ?? 0, AGAIN_MS));
        break;
      }
      // Shown a few at a time, so that a long list does not wait for its last.
      if (found.length >= 10) this.found(found.splice(0));
    }
    if (found.length > 0) this.found(found);
  }
}

import { setTimeout as pause } from 'node:timers/promises';
import { kindOf, reasonOf, translate } from './failures.js';

const MAX_RETRIES = 3;
const backoffMs = (attempt: number): number => Math.random() * 20 * 2 ** attempt;

/**
 * Whether the database could be reached at the last attempt. While it could not, it is probed every second, so that readiness returns without a caller's attempt.
 */
export class Reachability {
  private reason: string | undefined;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(private readonly probe: () => Promise<void>) {}

  problem(): string | undefined {
    return this.reason;
  }
  succeeded(): void {
    this.reason = undefined;
    clearTimeout(this.timer);
    this.timer = undefined;
  }
  failed(error: unknown): void {
    this.reason = reasonOf(error);
    if (this.timer || this.closed) return;
    this.timer = setTimeout(() => void this.probeAgain(), 1000).unref();
  }
  close(): void {
    this.closed = true;
    this.reason = 'closed';
    clearTimeout(this.timer);
  }

  private async probeAgain(): Promise<void> {
    this.timer = undefined;
    try {
      await this.probe();
      this.succeeded();
    } catch (error) {
      this.failed(error);
    }
  }
}

/** Runs `work`, and repeats it after a serialization failure or a deadlock. Translates errors of drivers into those that `Database` promises. */
export async function withRetries<T>(reachability: Reachability, work: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      const result = await work();
      if (reachability.problem() !== undefined) reachability.succeeded();
      return result;
    } catch (error) {
      const kind = kindOf(error);
      if (kind === 'away') reachability.failed(error);
      if (kind !== 'retry' || attempt === MAX_RETRIES) throw translate(error);
      await pause(backoffMs(attempt));
    }
  }
}

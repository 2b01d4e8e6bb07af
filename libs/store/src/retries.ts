import { setTimeout as pause } from 'node:timers/promises';
import { judge, reasonOf, translate } from './failures.js';

const RETRIES = 3;
const backoff = (attempt: number): number => Math.random() * 20 * 2 ** attempt;

/**
 * The health of one database as seen from here: remembers the last contact, and asks again every second while it failed, so that readiness returns
 * without a caller having to try.
 */
export class Contact {
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
    this.timer = setTimeout(() => void this.ask(), 1000).unref();
  }
  close(): void {
    this.closed = true;
    this.reason = 'closed';
    clearTimeout(this.timer);
  }

  private async ask(): Promise<void> {
    this.timer = undefined;
    try {
      await this.probe();
      this.succeeded();
    } catch (error) {
      this.failed(error);
    }
  }
}

/** Runs `work`, again after a serialization failure or a deadlock, and turns what drivers throw into what `Database` promises. */
export async function attempts<T>(contact: Contact, work: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      const result = await work();
      if (contact.problem() !== undefined) contact.succeeded();
      return result;
    } catch (error) {
      const verdict = judge(error);
      if (verdict === 'away') contact.failed(error);
      if (verdict !== 'retry' || attempt === RETRIES) throw translate(error);
      await pause(backoff(attempt));
    }
  }
}

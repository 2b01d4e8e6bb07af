import { ChatError } from '@parley/contracts';

interface Row {
  taken: number;
  /** Those who wait for a place, in their order. */
  readonly waiting: Set<() => void>;
}

/** How many may be at work at a time, how long the others wait, and what those are told who wait longer. */
export interface PlaceLimits {
  readonly max: number;
  readonly maxWaitMs: number;
  readonly refusal: string;
}

const RETRY_MS = 500;

/** A few places for each key: who finds none free waits for one, in order. */
export class Places {
  private readonly rows = new Map<string, Row>();

  constructor(private readonly limits: PlaceLimits) {}

  /** Does the work in a place of the key. Rejects with `rate_limited` when none becomes free in time. */
  async hold<T>(key: string, work: () => Promise<T>): Promise<T> {
    const row = this.rows.get(key) ?? { taken: 0, waiting: new Set<() => void>() };
    this.rows.set(key, row);
    if (row.taken < this.limits.max) row.taken++;
    else await this.handedOver(row);
    try {
      return await work();
    } finally {
      const [next] = row.waiting;
      if (next) next();
      else if (--row.taken === 0) this.rows.delete(key);
    }
  }

  private handedOver({ waiting }: Row): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const take = () => {
      waiting.delete(take);
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(() => {
      waiting.delete(take);
      reject(new ChatError('rate_limited', this.limits.refusal, { retryAfterMs: RETRY_MS }));
    }, this.limits.maxWaitMs);
    waiting.add(take);
    return promise;
  }
}

import { ChatError } from '@parley/contracts';
import { Unavailable } from '@parley/service-kit';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { RedisLink, type RedisOptions } from './redis-link.js';

export interface Rate {
  /** Different for every limit of a deployment: what its keys are counted under. */
  readonly name: string;
  /** How many are allowed in `seconds`, on average. Fractions and 0 are taken as the whole number above, at least 1. */
  readonly points: number;
  readonly seconds: number;
  /** How many are allowed at once, when more than `points`: they are paid back at the same rate, so `burst` fit into `burst / points * seconds`. */
  readonly burst?: number;
}

/** Counts what is done under a key, and refuses what is too much. */
export interface Limiter {
  /** Counts; rejects with `rate_limited` and `retryAfterMs` when that was beyond the rate. */
  take(key: string, points?: number): Promise<void>;
  /** Rejects as {@link take} would for one more, and counts nothing: for limits on failures, which are counted when they happen. */
  check(key: string): Promise<void>;
  /** Forgets what was counted under the key. */
  reset(key: string): Promise<void>;
}

/** The limits of a process, or of all processes that share a Redis. Two implementations; one conformance suite. */
export interface Limiters {
  create(rate: Rate): Limiter;
  readonly problem: string | undefined;
  close(): Promise<void>;
}

export function createMemoryLimiters(): Limiters {
  return { create: (rate) => new MemoryLimiter(windowOf(rate)), problem: undefined, close: () => Promise.resolve() };
}

/** Counts in Redis; while Redis is away, each process counts for itself. So a limit never stops a call because Redis is away, and never hangs. */
export async function createRedisLimiters(options: RedisOptions): Promise<Limiters> {
  const link = await RedisLink.connect(options);
  return {
    create: (rate) => new RedisLimiter(link, windowOf(rate)),
    get problem() {
      return link.problem;
    },
    close: () => link.close(),
  };
}

interface Window {
  readonly keyPrefix: string;
  readonly points: number;
  readonly duration: number;
}
/** A burst is a longer window of the same rate: 20/s with bursts of 60 are 60 in 3 s. */
function windowOf({ name, points, seconds, burst }: Rate): Window {
  const most = Math.max(1, Math.ceil(points), Math.ceil(burst ?? 0));
  return { keyPrefix: `limit:${name}`, points: most, duration: Math.max(1, Math.ceil((most / Math.max(points, Number.MIN_VALUE)) * seconds)) };
}

class MemoryLimiter implements Limiter {
  private readonly counts: RateLimiterMemory;

  constructor(private readonly window: Window) {
    this.counts = new RateLimiterMemory(window);
  }

  async take(key: string, points = 1): Promise<void> {
    refuseBeyond(this.window.points, await counted(this.counts.consume(key, points)));
  }

  async check(key: string): Promise<void> {
    refuseBeyond(this.window.points - 1, await this.counts.get(key));
  }

  async reset(key: string): Promise<void> {
    await this.counts.delete(key);
  }
}

class RedisLimiter implements Limiter {
  private readonly counts: RateLimiterRedis;
  private readonly local: MemoryLimiter;

  constructor(private readonly link: RedisLink, private readonly window: Window) {
    this.counts = new RateLimiterRedis({ ...window, keyPrefix: link.prefix + window.keyPrefix, storeClient: link.redis });
    this.local = new MemoryLimiter(window);
  }

  take(key: string, points = 1): Promise<void> {
    return this.orLocally(
      async () => refuseBeyond(this.window.points, await this.link.call(() => counted(this.counts.consume(key, points)))),
      () => this.local.take(key, points),
    );
  }

  check(key: string): Promise<void> {
    return this.orLocally(
      async () => refuseBeyond(this.window.points - 1, await this.link.call(() => this.counts.get(key))),
      () => this.local.check(key),
    );
  }

  reset(key: string): Promise<void> {
    return this.orLocally(
      async () => void (await this.link.call(() => this.counts.delete(key))),
      () => this.local.reset(key),
    );
  }

  private async orLocally(remotely: () => Promise<void>, locally: () => Promise<void>): Promise<void> {
    try {
      await remotely();
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      await locally();
    }
  }
}

/** rate-limiter-flexible rejects with the count when it is too high. */
const counted = (count: Promise<RateLimiterRes>): Promise<RateLimiterRes> =>
  count.catch((error: unknown) => {
    if (error instanceof RateLimiterRes) return error;
    throw error;
  });

function refuseBeyond(points: number, count: RateLimiterRes | null): void {
  if (!count || count.consumedPoints <= points) return;
  throw new ChatError('rate_limited', undefined, { retryAfterMs: Math.max(1, count.msBeforeNext) });
}

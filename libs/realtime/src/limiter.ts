import { ChatError } from '@parley/contracts';
import { Unavailable } from '@parley/service-kit';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { RedisConnection, type RedisOptions } from './redis-connection.js';

/** A limit: its name, and the number of actions that it allows. */
export interface Rate {
  /** Prefixes the keys in Redis; different for every limit of a deployment. */
  readonly name: string;
  /** Number of actions allowed in `seconds`, on average. Positive; may be a fraction. */
  readonly points: number;
  readonly seconds: number;
  /**
   * Number of actions allowed at once; they are regained one by one, at the rate. Default: no bursts, but `points` in
   * each window of `seconds`.
   */
  readonly burst?: number;
}

/** Counts the actions under a key, and refuses those beyond the rate. */
export interface Limiter {
  /** Counts an action. Rejects with `rate_limited` and `retryAfterMs` when it is beyond the rate. */
  take(key: string, points?: number): Promise<void>;
  /** Rejects as {@link take} would for one more action, and counts nothing: for limits on failures, which are counted when they happen. */
  check(key: string): Promise<void>;
  /** Forgets the count of a key. */
  reset(key: string): Promise<void>;
}

/** Creates the limits of a process, or of all processes that share a Redis; a class, so that Nest injects it by type. Two implementations; one conformance suite. */
export abstract class Limiters {
  abstract create(rate: Rate): Limiter;
  abstract readonly problem: string | undefined;
  abstract close(): Promise<void>;
}

/** Counts in the memory of this process. */
export function createMemoryLimiters(): Limiters {
  return {
    create: (rate) =>
      rate.burst === undefined
        ? new MemoryWindow(windowOf(rate))
        : new BucketLimiter(new MemoryTokenBucket(bucketOf(rate, rate.burst))),
    problem: undefined,
    close: () => Promise.resolve(),
  };
}

/**
 * Counts in Redis; while Redis is unavailable, each process counts separately. An unavailable Redis neither stops nor
 * delays a call.
 */
export async function createRedisLimiters(options: RedisOptions): Promise<Limiters> {
  const connection = await RedisConnection.connect(options);
  return {
    create: (rate) =>
      rate.burst === undefined
        ? sharedWindow(connection, windowOf(rate))
        : sharedBucket(connection, bucketOf(rate, rate.burst)),
    get problem() {
      return connection.problem;
    },
    close: () => connection.close(),
  };
}

interface Window {
  readonly keyPrefix: string;
  readonly points: number;
  readonly duration: number;
}
/** A rate below one is one in a longer window. */
function windowOf({ name, points, seconds }: Rate): Window {
  const wholePoints = Math.max(1, Math.ceil(points));
  return {
    keyPrefix: `limit:${name}`,
    points: wholePoints,
    duration: Math.max(1, Math.ceil((wholePoints / Math.max(points, Number.MIN_VALUE)) * seconds)),
  };
}

const bucketOf = ({ name, points, seconds }: Rate, burst: number): BucketRate => ({
  name,
  intervalMs: (seconds * 1000) / Math.max(points, Number.MIN_VALUE),
  burst: Math.max(1, Math.ceil(burst)),
});

const sharedWindow = (connection: RedisConnection, window: Window): Limiter =>
  new LimiterWithFallback(new RedisWindow(connection, window), new MemoryWindow(window));
const sharedBucket = (connection: RedisConnection, rate: BucketRate): Limiter =>
  new LimiterWithFallback(
    new BucketLimiter(new RedisTokenBucket(connection, rate)),
    new BucketLimiter(new MemoryTokenBucket(rate)),
  );

class BucketLimiter implements Limiter {
  constructor(private readonly bucket: TokenBucket) {}

  async take(key: string, points = 1): Promise<void> {
    this.refuse(await this.bucket.take(key, points));
  }

  async check(key: string): Promise<void> {
    this.refuse(await this.bucket.take(key, 1, true));
  }

  reset(key: string): Promise<void> {
    return this.bucket.reset(key);
  }

  private refuse(waitMs: number): void {
    if (waitMs > 0) throw new ChatError('rate_limited', undefined, { retryAfterMs: Math.max(1, waitMs) });
  }
}

class MemoryWindow implements Limiter {
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

class RedisWindow implements Limiter {
  private readonly counts: RateLimiterRedis;

  constructor(
    private readonly connection: RedisConnection,
    private readonly window: Window,
  ) {
    this.counts = new RateLimiterRedis({
      ...window,
      keyPrefix: connection.prefix + window.keyPrefix,
      storeClient: connection.redis,
    });
  }

  async take(key: string, points = 1): Promise<void> {
    refuseBeyond(this.window.points, await this.connection.call(() => counted(this.counts.consume(key, points))));
  }

  async check(key: string): Promise<void> {
    refuseBeyond(this.window.points - 1, await this.connection.call(() => this.counts.get(key)));
  }

  async reset(key: string): Promise<void> {
    await this.connection.call(() => this.counts.delete(key));
  }
}

/** The shared limit while Redis answers, otherwise a limit of this process. */
class LimiterWithFallback implements Limiter {
  constructor(
    private readonly shared: Limiter,
    private readonly local: Limiter,
  ) {}

  take(key: string, points = 1): Promise<void> {
    return this.withFallback((limiter) => limiter.take(key, points));
  }

  check(key: string): Promise<void> {
    return this.withFallback((limiter) => limiter.check(key));
  }

  reset(key: string): Promise<void> {
    return this.withFallback((limiter) => limiter.reset(key));
  }

  private async withFallback(work: (limiter: Limiter) => Promise<void>): Promise<void> {
    try {
      await work(this.shared);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      await work(this.local);
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

/** A rate with bursts: up to `burst` tokens at once, and each comes back `intervalMs` after the one before it. */
interface BucketRate {
  readonly name: string;
  readonly intervalMs: number;
  readonly burst: number;
}

/**
 * A token bucket, stored as the one time at which it will be full again (the generic cell rate algorithm). Unlike a window it has no edge at which two bursts meet, and after a burst the next call waits for
 * one token, not for all.
 */
interface TokenBucket {
  /**
   * Returns 0 if `points` tokens are available, and takes them unless `keep`; otherwise the milliseconds until they
   * are.
   */
  take(key: string, points: number, keep?: boolean): Promise<number>;
  reset(key: string): Promise<void>;
}

/** Full buckets are forgotten when this many buckets are remembered. */
const SWEEP_AT = 10_000;

class MemoryTokenBucket implements TokenBucket {
  private readonly fullAt = new Map<string, number>();

  constructor(private readonly rate: BucketRate) {}

  async take(key: string, points: number, keep = false): Promise<number> {
    const now = performance.now();
    const next = Math.max(this.fullAt.get(key) ?? 0, now) + points * this.rate.intervalMs;
    const waitMs = next - now - this.rate.burst * this.rate.intervalMs;
    // Sums of fractions of a millisecond are off by less than this.
    if (waitMs > 0.001) return waitMs;
    if (!keep) this.remember(key, next, now);
    return 0;
  }

  async reset(key: string): Promise<void> {
    this.fullAt.delete(key);
  }

  private remember(key: string, next: number, now: number): void {
    if (this.fullAt.size >= SWEEP_AT && !this.fullAt.has(key))
      for (const [other, at] of this.fullAt) if (at <= now) this.fullAt.delete(other);
    this.fullAt.set(key, next);
  }
}

const TAKE = `
local t = redis.call('TIME') local now = t[1] * 1000 + t[2] / 1000
local full = tonumber(redis.call('GET', KEYS[1]) or '0')
if full < now then full = now end
local next = full + ARGV[1] * ARGV[2]
local wait = next - now - ARGV[3] * ARGV[2]
if wait > 0.001 then return math.ceil(wait) end
if ARGV[4] == '0' then redis.call('SET', KEYS[1], string.format('%.3f', next), 'PX', math.ceil(next - now) + 1) end
return 0`;

/** Shared by all processes, by the clock of Redis. Rejects with `Unavailable` while Redis is unavailable. */
class RedisTokenBucket implements TokenBucket {
  constructor(
    private readonly connection: RedisConnection,
    private readonly rate: BucketRate,
  ) {}

  async take(key: string, points: number, keep = false): Promise<number> {
    const { intervalMs, burst } = this.rate;
    const [wait] = await this.connection.pipeline([
      ['eval', TAKE, 1, this.key(key), points, intervalMs, burst, keep ? 1 : 0],
    ]);
    return wait as number;
  }

  async reset(key: string): Promise<void> {
    await this.connection.pipeline([['del', this.key(key)]]);
  }

  private key(key: string): string {
    return `${this.connection.prefix}bucket:${this.rate.name}:${key}`;
  }
}

import { ChatError } from '@parley/contracts';
import { Unavailable } from '@parley/service-kit';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { MemoryBucket, RedisBucket, type Bucket, type BucketRate } from './bucket.js';
import { RedisLink, type RedisOptions } from './redis-link.js';

export interface Rate {
  /** Different for every limit of a deployment: what its keys are counted under. */
  readonly name: string;
  /** How many are allowed in `seconds`, on average. Positive; may be a fraction. */
  readonly points: number;
  readonly seconds: number;
  /** How many are allowed at once; they come back one by one, at the rate. Without it, `points` are allowed in each window of `seconds`. */
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

/** Creates the limits of a process, or of all processes that share a Redis; a class, so that Nest injects it by type. Two implementations; one conformance suite. */
export abstract class Limiters {
  abstract create(rate: Rate): Limiter;
  abstract readonly problem: string | undefined;
  abstract close(): Promise<void>;
}

export function createMemoryLimiters(): Limiters {
  return {
    create: (rate) =>
      rate.burst === undefined
        ? new MemoryWindow(windowOf(rate))
        : new BucketLimiter(new MemoryBucket(bucketOf(rate, rate.burst))),
    problem: undefined,
    close: () => Promise.resolve(),
  };
}

/** Counts in Redis; while Redis is away, each process counts for itself. So a limit never stops a call because Redis is away, and never hangs. */
export async function createRedisLimiters(options: RedisOptions): Promise<Limiters> {
  const link = await RedisLink.connect(options);
  return {
    create: (rate) =>
      rate.burst === undefined ? sharedWindow(link, windowOf(rate)) : sharedBucket(link, bucketOf(rate, rate.burst)),
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
/** A rate below one is one in a longer window. */
function windowOf({ name, points, seconds }: Rate): Window {
  const most = Math.max(1, Math.ceil(points));
  return {
    keyPrefix: `limit:${name}`,
    points: most,
    duration: Math.max(1, Math.ceil((most / Math.max(points, Number.MIN_VALUE)) * seconds)),
  };
}

const bucketOf = ({ name, points, seconds }: Rate, burst: number): BucketRate => ({
  name,
  intervalMs: (seconds * 1000) / Math.max(points, Number.MIN_VALUE),
  burst: Math.max(1, Math.ceil(burst)),
});

const sharedWindow = (link: RedisLink, window: Window): Limiter =>
  new OrLocally(new RedisWindow(link, window), new MemoryWindow(window));
const sharedBucket = (link: RedisLink, rate: BucketRate): Limiter =>
  new OrLocally(new BucketLimiter(new RedisBucket(link, rate)), new BucketLimiter(new MemoryBucket(rate)));

class BucketLimiter implements Limiter {
  constructor(private readonly bucket: Bucket) {}

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
    private readonly link: RedisLink,
    private readonly window: Window,
  ) {
    this.counts = new RateLimiterRedis({
      ...window,
      keyPrefix: link.prefix + window.keyPrefix,
      storeClient: link.redis,
    });
  }

  async take(key: string, points = 1): Promise<void> {
    refuseBeyond(this.window.points, await this.link.call(() => counted(this.counts.consume(key, points))));
  }

  async check(key: string): Promise<void> {
    refuseBeyond(this.window.points - 1, await this.link.call(() => this.counts.get(key)));
  }

  async reset(key: string): Promise<void> {
    await this.link.call(() => this.counts.delete(key));
  }
}

/** The shared limit while it can be reached, otherwise one of this process alone. */
class OrLocally implements Limiter {
  constructor(
    private readonly shared: Limiter,
    private readonly local: Limiter,
  ) {}

  take(key: string, points = 1): Promise<void> {
    return this.either((limiter) => limiter.take(key, points));
  }

  check(key: string): Promise<void> {
    return this.either((limiter) => limiter.check(key));
  }

  reset(key: string): Promise<void> {
    return this.either((limiter) => limiter.reset(key));
  }

  private async either(work: (limiter: Limiter) => Promise<void>): Promise<void> {
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

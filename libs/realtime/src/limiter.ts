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
  /**
   * Rejects as {@link take} would for one more action, and counts nothing: for limits on failures, which are counted
   * when they happen.
   */
  check(key: string): Promise<void>;
  /** Forgets the count of a key. */
  reset(key: string): Promise<void>;
}

/** A limit with bursts. */
export type BurstRate = Rate & { readonly burst: number };

/** A bucket that holds too few tokens, and the milliseconds until it holds enough. */
export interface Refusal<Name extends string> {
  readonly bucket: Name;
  readonly waitMs: number;
}

/**
 * Several limits with bursts that one key draws from. A charge of more than a bucket's burst needs a full bucket, and
 * is paid off at the rate.
 */
export interface Buckets<Name extends string> {
  /**
   * Takes the points from each named bucket in their order, in one command. Stops at the first bucket that refuses: the
   * ones before it have been charged, it and the ones behind it have not.
   */
  take(key: string, charges: readonly (readonly [name: Name, points: number])[]): Promise<Refusal<Name> | undefined>;
}

/**
 * Creates the limits of a process, or of all processes that share a Redis; a class, so that Nest injects it by type.
 * Two implementations; one conformance suite.
 */
export abstract class Limiters {
  abstract create(rate: Rate): Limiter;
  abstract createBuckets<Name extends string>(rates: Readonly<Record<Name, BurstRate>>): Buckets<Name>;
  abstract readonly problem: string | undefined;
  abstract close(): Promise<void>;
}

/** Counts in the memory of this process. */
export function createMemoryLimiters(): Limiters {
  return {
    create: (rate) =>
      hasBurst(rate) ? new BucketLimiter(new MemoryTokenBuckets(), bucketOf(rate)) : new MemoryWindow(windowOf(rate)),
    createBuckets: (rates) => new NamedBuckets(new MemoryTokenBuckets(), bucketsOf(rates)),
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
  const buckets = () => new BucketsWithFallback(new RedisTokenBuckets(connection), new MemoryTokenBuckets());
  return {
    create: (rate) =>
      hasBurst(rate) ? new BucketLimiter(buckets(), bucketOf(rate)) : sharedWindow(connection, windowOf(rate)),
    createBuckets: (rates) => new NamedBuckets(buckets(), bucketsOf(rates)),
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

const hasBurst = (rate: Rate): rate is BurstRate => rate.burst !== undefined;
const bucketOf = ({ name, points, seconds, burst }: BurstRate): BucketRate => ({
  name,
  intervalMs: (seconds * 1000) / Math.max(points, Number.MIN_VALUE),
  burst: Math.max(1, Math.ceil(burst)),
});
const bucketsOf = <Name extends string>(rates: Readonly<Record<Name, BurstRate>>) =>
  new Map((Object.keys(rates) as Name[]).map((name) => [name, bucketOf(rates[name])]));

const sharedWindow = (connection: RedisConnection, window: Window): Limiter =>
  new LimiterWithFallback(new RedisWindow(connection, window), new MemoryWindow(window));

class BucketLimiter implements Limiter {
  constructor(
    private readonly buckets: TokenBuckets,
    private readonly rate: BucketRate,
  ) {}

  async take(key: string, points = 1): Promise<void> {
    this.refuse(await this.buckets.take(key, [{ ...this.rate, points }]));
  }

  async check(key: string): Promise<void> {
    this.refuse(await this.buckets.take(key, [{ ...this.rate, points: 1 }], true));
  }

  reset(key: string): Promise<void> {
    return this.buckets.reset(key, this.rate);
  }

  private refuse(refusal: { readonly waitMs: number } | undefined): void {
    if (refusal) throw new ChatError('rate_limited', undefined, { retryAfterMs: Math.max(1, refusal.waitMs) });
  }
}

class NamedBuckets<Name extends string> implements Buckets<Name> {
  constructor(
    private readonly buckets: TokenBuckets,
    private readonly rates: ReadonlyMap<Name, BucketRate>,
  ) {}

  async take(key: string, charges: readonly (readonly [Name, number])[]): Promise<Refusal<Name> | undefined> {
    const refusal = await this.buckets.take(
      key,
      charges.map(([name, points]) => ({ ...this.rates.get(name)!, points })),
    );
    return refusal && { bucket: charges[refusal.at]![0], waitMs: Math.max(1, refusal.waitMs) };
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
    return withFallback(this.shared, this.local, (limiter) => limiter.take(key, points));
  }

  check(key: string): Promise<void> {
    return withFallback(this.shared, this.local, (limiter) => limiter.check(key));
  }

  reset(key: string): Promise<void> {
    return withFallback(this.shared, this.local, (limiter) => limiter.reset(key));
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

/** Points to be taken from one bucket. */
type Charge = BucketRate & { readonly points: number };

/**
 * Token buckets, each stored as the one time at which it will be full again (the generic cell rate algorithm). Unlike a
 * window a bucket has no edge at which two bursts meet, and after a burst the next call waits for one token, not for
 * all.
 */
interface TokenBuckets {
  /**
   * Takes each charge in turn unless `keep`, until one is refused. Returns the index of that charge and the
   * milliseconds until its tokens are available.
   */
  take(key: string, charges: readonly Charge[], keep?: boolean): Promise<RefusedCharge | undefined>;
  reset(key: string, rate: BucketRate): Promise<void>;
}
interface RefusedCharge {
  readonly at: number;
  readonly waitMs: number;
}

/** Full buckets are forgotten when this many buckets are remembered. */
const SWEEP_AT = 10_000;

class MemoryTokenBuckets implements TokenBuckets {
  private readonly fullAt = new Map<string, number>();

  async take(key: string, charges: readonly Charge[], keep = false): Promise<RefusedCharge | undefined> {
    const now = performance.now();
    for (const [at, { name, points, intervalMs, burst }] of charges.entries()) {
      const bucket = `${name}:${key}`;
      const fullAt = Math.max(this.fullAt.get(bucket) ?? 0, now);
      const waitMs = fullAt - now + (Math.min(points, burst) - burst) * intervalMs;
      // Sums of fractions of a millisecond are off by less than this.
      if (waitMs > 0.001) return { at, waitMs };
      if (!keep) this.remember(bucket, fullAt + points * intervalMs, now);
    }
    return undefined;
  }

  async reset(key: string, { name }: BucketRate): Promise<void> {
    this.fullAt.delete(`${name}:${key}`);
  }

  private remember(bucket: string, fullAt: number, now: number): void {
    if (this.fullAt.size >= SWEEP_AT && !this.fullAt.has(bucket))
      for (const [other, at] of this.fullAt) if (at <= now) this.fullAt.delete(other);
    this.fullAt.set(bucket, fullAt);
  }
}

const TAKE = `
local t = redis.call('TIME') local now = t[1] * 1000 + t[2] / 1000
for i, key in ipairs(KEYS) do
  local points, interval, burst = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1])
  local full = tonumber(redis.call('GET', key) or '0')
  if full < now then full = now end
  local wait = full - now + (math.min(points, burst) - burst) * interval
  if wait > 0.001 then return {i, math.ceil(wait)} end
  full = full + points * interval
  if ARGV[1] == '0' then redis.call('SET', key, string.format('%.3f', full), 'PX', math.ceil(full - now) + 1) end
end
return {0, 0}`;

/** Shared by all processes, by the clock of Redis. Rejects with `Unavailable` while Redis is unavailable. */
class RedisTokenBuckets implements TokenBuckets {
  constructor(private readonly connection: RedisConnection) {}

  async take(key: string, charges: readonly Charge[], keep = false): Promise<RefusedCharge | undefined> {
    const keys = charges.map((charge) => this.key(key, charge));
    const rates = charges.flatMap(({ points, intervalMs, burst }) => [points, intervalMs, burst]);
    const [answer] = await this.connection.pipeline([['eval', TAKE, keys.length, ...keys, keep ? 1 : 0, ...rates]]);
    const [number, waitMs] = answer as [number, number];
    return number === 0 ? undefined : { at: number - 1, waitMs };
  }

  async reset(key: string, rate: BucketRate): Promise<void> {
    await this.connection.pipeline([['del', this.key(key, rate)]]);
  }

  private key(key: string, { name }: BucketRate): string {
    return `${this.connection.prefix}bucket:${name}:${key}`;
  }
}

/** The shared buckets while Redis answers, otherwise buckets of this process. */
class BucketsWithFallback implements TokenBuckets {
  constructor(
    private readonly shared: TokenBuckets,
    private readonly local: TokenBuckets,
  ) {}

  take(key: string, charges: readonly Charge[], keep?: boolean): Promise<RefusedCharge | undefined> {
    return withFallback(this.shared, this.local, (buckets) => buckets.take(key, charges, keep));
  }

  reset(key: string, rate: BucketRate): Promise<void> {
    return withFallback(this.shared, this.local, (buckets) => buckets.reset(key, rate));
  }
}

async function withFallback<L, T>(shared: L, local: L, work: (limits: L) => Promise<T>): Promise<T> {
  try {
    return await work(shared);
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    return work(local);
  }
}

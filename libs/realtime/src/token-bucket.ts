import type { RedisConnection } from './redis-connection.js';

/** A rate with bursts: up to `burst` tokens at once, and each comes back `intervalMs` after the one before it. */
export interface BucketRate {
  readonly name: string;
  readonly intervalMs: number;
  readonly burst: number;
}

/**
 * A token bucket, stored as the one time at which it will be full again (the generic cell rate algorithm). Unlike a window it has no edge at which two bursts meet, and after a burst the next call waits for
 * one token, not for all.
 */
export interface TokenBucket {
  /** Answers 0 when there were `points` tokens, which are taken unless `keep`; otherwise in how many milliseconds there will be. */
  take(key: string, points: number, keep?: boolean): Promise<number>;
  reset(key: string): Promise<void>;
}

/** Full buckets are forgotten when this many buckets are remembered. */
const SWEEP_AT = 10_000;

export class MemoryTokenBucket implements TokenBucket {
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

/** Shared by all processes, by the clock of Redis. Rejects with `Unavailable` while Redis is away. */
export class RedisTokenBucket implements TokenBucket {
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

import { ChatError, userRates, type UserRate } from '@parley/contracts';
import type { BurstRate, Buckets, Limiters } from '@parley/realtime';

/** Maximum part of the `calls` burst that one gateway lets a user spend before it charges the shared bucket. */
const UNSETTLED_SHARE = 1 / 20;
/** Accounts in which nothing happened for `IDLE_MS` are forgotten when this many are remembered. */
const SWEEP_AT = 10_000;
const IDLE_MS = 10_000;

/** A user is over one of the {@link userRates}. */
export class RateExceeded extends ChatError {
  constructor(
    readonly rate: UserRate,
    waitMs: number,
  ) {
    super('rate_limited', undefined, { retryAfterMs: Math.max(1, Math.ceil(waitMs)) });
  }
}

interface Account {
  /** Points spent here that the shared bucket does not know of yet. */
  owed: number;
  /** Points that the shared bucket is being asked for. */
  pending: number;
  /** Until when the shared bucket holds too little, by `performance.now()`. */
  refusedUntil: number;
  usedAt: number;
}

/**
 * The rates of users, shared by all gateways. Cheap calls are summed up and charged together, and a send takes that sum
 * along: each gateway lets a user exceed the rate of calls by at most a twentieth of its burst.
 */
export class UserRates {
  private readonly buckets: Buckets<UserRate>;
  private readonly maxOwed: number;
  private readonly accounts = new Map<string, Account>();

  constructor(limiters: Limiters, scale: number) {
    const scaled = Object.entries(userRates).map(([name, { perSecond, burst }]) => [
      name,
      { name, points: perSecond * scale, seconds: 1, burst: burst * scale },
    ]);
    this.buckets = limiters.createBuckets(Object.fromEntries(scaled) as Record<UserRate, BurstRate>);
    this.maxOwed = userRates.calls.burst * scale * UNSETTLED_SHARE;
  }

  /** Throws {@link RateExceeded} while the user is known to be over the rate of calls. */
  check(userId: string): void {
    const waitMs = (this.accounts.get(userId)?.refusedUntil ?? 0) - performance.now();
    if (waitMs > 0) throw new RateExceeded('calls', waitMs);
  }

  /** Takes `cost` from the user's calls, and `charges` from further rates. Rejects with {@link RateExceeded}. */
  async take(userId: string, cost: number, charges: readonly (readonly [UserRate, number])[] = []): Promise<void> {
    this.check(userId);
    const account = this.account(userId);
    account.owed += cost;
    if (charges.length === 0 && account.owed + account.pending < this.maxOwed) return;
    const { owed } = account;
    account.owed = 0;
    account.pending += owed;
    const refusal = await this.buckets
      .take(userId, [['calls', owed], ...charges])
      .finally(() => (account.pending -= owed));
    if (!refusal) return;
    if (refusal.bucket === 'calls') {
      account.owed += owed - cost;
      account.refusedUntil = performance.now() + refusal.waitMs;
    }
    throw new RateExceeded(refusal.bucket, refusal.waitMs);
  }

  private account(userId: string): Account {
    const now = performance.now();
    const known = this.accounts.get(userId);
    if (known) {
      known.usedAt = now;
      return known;
    }
    if (this.accounts.size >= SWEEP_AT)
      for (const [other, { usedAt }] of this.accounts) if (usedAt < now - IDLE_MS) this.accounts.delete(other);
    const account = { owed: 0, pending: 0, refusedUntil: 0, usedAt: now };
    this.accounts.set(userId, account);
    return account;
  }
}

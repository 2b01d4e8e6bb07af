import { Injectable } from '@nestjs/common';
import { ChatError, rates, userRates, type CallInput, type CallName, type UserRate } from '@parley/contracts';
import {
  createMemoryLimiters,
  Limiters,
  type Buckets,
  type BurstRate,
  type Limiter,
  type Rate,
} from '@parley/realtime';
import type { Session } from '../auth/session.js';
import { GatewayConfig } from '../config.js';
import { addressKey, siteKey } from '@parley/service-kit';
import type { Client } from './client.js';
import { LargeAnswers } from './large-answers.js';
import { Places } from './places.js';

/** When to try again while another gateway has a search of the user under way. */
const SEARCH_RETRY_MS = 500;

/** Calls that hash a password, which takes a core for as long as thousands of other calls. */
const HASHING: ReadonlySet<CallName> = new Set<CallName>(['auth.register', 'auth.login', 'auth.password']);
/** Such calls under way of one address, at each gateway. Many more, which the rates allow, would hold up everybody else. */
const MAX_HASHING = 8;
/** With the time that remains, enough for a line of people who come to work behind one address. */
const MAX_HASHING_WAIT_MS = 3_000;

/**
 * Enforces the rates that the protocol states: of users over all connections, gateways and interfaces, and of addresses.
 */
@Injectable()
export class RateLimits {
  private readonly users: UserRates;
  private readonly registrations: AddressLimiter;
  private readonly logins: AddressLimiter;
  private readonly failedLogins: AddressLimiter;
  private readonly anonymous: AddressLimiter;
  private readonly handshakes: AddressLimiter;
  private readonly pages: AddressLimiter;
  /** Holds the search of each user that is under way, at whichever gateway. */
  private readonly searches: Limiter;
  /**
   * The newest call under way of those that must not run at the same time, by what they share. The rates bound their
   * number.
   */
  private readonly turns = new Map<string, Promise<void>>();
  private readonly largeAnswers: LargeAnswers;
  private readonly hashing: Places;

  constructor(config: GatewayConfig, limiters: Limiters) {
    const scale = config.ADDRESS_LIMIT_SCALE;
    const perAddress = (name: string, rate: Omit<Rate, 'name'>): AddressLimiter =>
      new AddressLimiter(limiters, { name, ...rate }, scale);
    this.users = new UserRates(limiters, config.USER_LIMIT_SCALE);
    this.largeAnswers = new LargeAnswers(config.USER_LIMIT_SCALE);
    this.hashing = new Places({
      max: Math.max(1, Math.round(MAX_HASHING * scale)),
      maxWaitMs: MAX_HASHING_WAIT_MS,
      refusal: 'too many passwords of this address are being checked',
    });
    this.registrations = perAddress('registrations', rates.register);
    this.logins = perAddress('logins', rates.login);
    this.failedLogins = perAddress('failures', rates.failedLogin);
    this.anonymous = perAddress('anonymous', rates.anonymous);
    this.searches = limiters.create({ name: 'searching', points: 1, seconds: config.CALL_DEADLINE_MS / 1000 });
    this.handshakes = perAddress('handshakes', rates.handshake);
    // Counted here, so that no page waits for Redis.
    this.pages = new AddressLimiter(createMemoryLimiters(), { name: 'pages', ...rates.pages }, scale);
  }

  /** Throws `rate_limited` while the caller is known to be over the rate of calls. Counts nothing. */
  check({ session }: Client): void {
    if (session) this.users.check(spenderOf(session));
  }

  /** Counts a call that is about to be made, by its cost. Rejects with `rate_limited`. */
  async admit(name: CallName, client: Client, input: unknown): Promise<void> {
    if (client.session) await this.users.take(spenderOf(client.session), costOf(name), chargesOf(name, input));
    else await this.admitRequest(client);
    if (name === 'auth.register' || name === 'auth.guest') return this.registrations.take(client.address);
    if (name === 'auth.login') await this.logins.take(client.address);
  }

  /** Counts what is no call: a request for a file, an unknown event, input that is refused. Rejects with `rate_limited`. */
  async admitRequest({ session, address }: Client): Promise<void> {
    if (session) await this.users.take(spenderOf(session), 1);
    else await this.anonymous.take(address);
  }

  /** Counts a request for a page, a file of it, a document or an unknown address. Rejects with `rate_limited`. */
  admitPage(address: string): Promise<void> {
    return this.pages.take(address);
  }

  /** Counts a handshake with a valid token. Rejects with `rate_limited`. */
  admitHandshake(session: Session): Promise<void> {
    return this.users.take(spenderOf(session), handshakeCost);
  }

  /** Counts a handshake without a valid token. Rejects with `rate_limited`. */
  countRefusedHandshake(address: string): Promise<void> {
    return this.handshakes.take(address);
  }

  /**
   * Makes an admitted call. Guesses at one password wait for each other, so that parallel guesses gain nothing, and a
   * wrong one counts as a failure. The searches of a user wait for each other, too, and are `rate_limited` while another
   * gateway has one under way. Of calls with large answers a user has a few at a time, and of calls that hash a password
   * an address.
   */
  limitParallel<T>(name: CallName, input: unknown, client: Client, call: () => Promise<T>): Promise<T> {
    const make = HASHING.has(name) ? () => this.hashing.hold(addressKey(client.address), call) : call;
    if (name === 'message.search') {
      const spender = spenderOf(client.session!);
      return this.inTurn(`search:${spender}`, () => this.search(spender, make));
    }
    const account = accountOf(name, input, client);
    if (!account) return client.session ? this.largeAnswers.make(name, spenderOf(client.session), make) : make();
    const { key, address } = account;
    return this.inTurn(keyFor(key, address && addressKey(address)), () => this.guess(account, make));
  }

  private inTurn<T>(key: string, make: () => Promise<T>): Promise<T> {
    const answer = (this.turns.get(key) ?? Promise.resolve()).then(make);
    const done = answer
      .then(nothing, nothing)
      .then(() => void (this.turns.get(key) === done && this.turns.delete(key)));
    this.turns.set(key, done);
    return answer;
  }

  private async search<T>(spender: string, make: () => Promise<T>): Promise<T> {
    await this.searches.take(spender).catch((error: unknown) => {
      if (!(error instanceof ChatError)) throw error;
      throw new ChatError('rate_limited', 'another search is under way', { retryAfterMs: SEARCH_RETRY_MS });
    });
    try {
      return await make();
    } finally {
      await this.searches.reset(spender);
    }
  }

  private async guess<T>({ key, address }: GuessedAccount, make: () => Promise<T>): Promise<T> {
    await this.failedLogins.check(address, key);
    try {
      return await make();
    } catch (error) {
      // The last allowed guess gets its own answer; the next one is refused.
      if (isWrongGuess(error)) await this.failedLogins.take(address, key).catch(nothing);
      throw error;
    }
  }
}

/** Whom calls are counted for: a user, or all bots of one person together. A busy bot does not hold up its owner. */
const spenderOf = ({ userId, ownerId }: Session): string => (ownerId === undefined ? userId : `bots:${ownerId}`);

const nothing = () => undefined;
const isWrongGuess = (error: unknown) =>
  error instanceof ChatError && (error.code === 'unauthenticated' || error.code === 'forbidden');

/** How many networks of the size of `addressKey` a provider's customer may use as one address each, at the same rate. */
const NETWORKS_PER_SITE = 4;

/** A rate per address. Of IPv6, a /64 network is an address, and all of a /48 have four times the rate. */
class AddressLimiter {
  private readonly addresses: Limiter;
  private readonly sites: Limiter;

  constructor(limiters: Limiters, { name, points, burst, ...rate }: Rate, scale: number) {
    const create = (suffix: string, factor: number): Limiter =>
      limiters.create({
        name: `${name}${suffix}`,
        ...rate,
        points: points * factor,
        ...(burst !== undefined && { burst: burst * factor }),
      });
    this.addresses = create('', scale);
    this.sites = create('-48', scale * NETWORKS_PER_SITE);
  }

  /** Counts an action. Rejects with `rate_limited`. `account`: it is counted for this account only, and without an address for all. */
  async take(address: string | undefined, account?: string): Promise<void> {
    for (const [limiter, key] of this.keys(address, account)) await limiter.take(key);
  }

  /** Rejects as {@link take} would, and counts nothing. */
  async check(address: string | undefined, account?: string): Promise<void> {
    for (const [limiter, key] of this.keys(address, account)) await limiter.check(key);
  }

  private *keys(address: string | undefined, account: string | undefined): Generator<[Limiter, string]> {
    yield [this.addresses, keyFor(account, address && addressKey(address))];
    const site = address === undefined ? undefined : siteKey(address);
    if (site !== undefined) yield [this.sites, keyFor(account, site)];
  }
}

const keyFor = (...parts: readonly (string | undefined)[]): string =>
  parts.filter((part) => part !== undefined).join(':');

/** An account whose wrong passwords are counted: from one address, so that a guesser does not lock its owner out elsewhere. */
interface GuessedAccount {
  readonly key: string;
  readonly address?: string;
}

function accountOf(name: CallName, input: unknown, { session, address }: Client): GuessedAccount | undefined {
  if (name === 'auth.login') return { key: `login:${(input as { username: string }).username}`, address };
  return name === 'auth.password' ? { key: `password:${session!.userId}` } : undefined;
}

/** What a call takes from its user's `calls`, where it is more than one. The work of a call sets its cost. */
const costs: Partial<Record<CallName, number>> = {
  'auth.password': 10,
  'bot.create': 5,
  'bot.token': 5,
  'user.list': 3,
  'contact.list': 2,
  'block.list': 2,
  'conversation.create': 2,
  'conversation.list': 3,
  'conversation.public': 3,
  'conversation.open': 3,
  'conversation.history': 2,
  'conversation.changes': 2,
  'conversation.members': 2,
  sync: 5,
  'message.search': 5,
  'message.pins': 2,
  'message.files': 2,
  'message.edits': 2,
  'drawing.get': 5,
  'notification.list': 5,
  'presence.watch': 2,
};
/** What the handshake of a new connection takes from its user's `calls`. */
const handshakeCost = 2;

type Charge = readonly [rate: Exclude<UserRate, 'calls'>, points: number];
/** The further rates that a call draws from. */
const charges: { readonly [N in CallName]?: (input: CallInput<N>) => readonly Charge[] } = {
  'message.send': () => [['messages', 1]],
  'message.edit': () => [['messages', 1]],
  'message.delete': () => [['messages', 1]],
  'reaction.add': () => [['messages', 1]],
  'reaction.remove': () => [['messages', 1]],
  'conversation.create': ({ memberIds = [] }) => [
    ['creations', 1],
    ['additions', memberIds.length],
  ],
  'member.add': () => [['additions', 1]],
  'message.search': () => [['searches', 1]],
};

/** What a call takes from its user's `calls`. */
const costOf = (name: CallName): number => costs[name] ?? 1;

/** What a call draws from its user's rates besides `calls`. */
const chargesOf = (name: CallName, input: unknown): readonly Charge[] =>
  (charges[name]?.(input as never) ?? []).filter(([, points]) => points > 0);

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
class UserRates {
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
  check(spender: string): void {
    const waitMs = (this.accounts.get(spender)?.refusedUntil ?? 0) - performance.now();
    if (waitMs > 0) throw new RateExceeded('calls', waitMs);
  }

  /** Takes `cost` from the user's calls, and `charges` from further rates. Rejects with {@link RateExceeded}. */
  async take(spender: string, cost: number, charges: readonly (readonly [UserRate, number])[] = []): Promise<void> {
    this.check(spender);
    const account = this.account(spender);
    account.owed += cost;
    if (charges.length === 0 && account.owed + account.pending < this.maxOwed) return;
    const { owed } = account;
    account.owed = 0;
    account.pending += owed;
    const refusal = await this.buckets
      .take(spender, [['calls', owed], ...charges])
      .finally(() => (account.pending -= owed));
    if (!refusal) return;
    if (refusal.bucket === 'calls') {
      account.owed += owed - cost;
      account.refusedUntil = performance.now() + refusal.waitMs;
    }
    throw new RateExceeded(refusal.bucket, refusal.waitMs);
  }

  private account(spender: string): Account {
    const now = performance.now();
    const known = this.accounts.get(spender);
    if (known) {
      known.usedAt = now;
      return known;
    }
    if (this.accounts.size >= SWEEP_AT)
      for (const [other, { usedAt }] of this.accounts) if (usedAt < now - IDLE_MS) this.accounts.delete(other);
    const account = { owed: 0, pending: 0, refusedUntil: 0, usedAt: now };
    this.accounts.set(spender, account);
    return account;
  }
}

import { Inject, Injectable } from '@nestjs/common';
import { ChatError, limits, rates, type CallName } from '@parley/contracts';
import { createMemoryLimiters, type Limiter } from '@parley/realtime';
import { addressKey } from './client-address.js';
import type { Client } from './client.js';
import { PARTS, type GatewayParts } from '../parts.js';

/** Tokens that come back evenly with time. */
export class TokenBucket {
  private tokens: number;
  private at = Date.now();

  constructor(
    private readonly perSecond: number,
    private readonly burst: number,
  ) {
    this.tokens = burst;
  }

  /** Throws `rate_limited` when there is none. */
  take(): void {
    const now = Date.now();
    this.tokens = Math.min(this.burst, this.tokens + (Math.max(0, now - this.at) / 1000) * this.perSecond);
    this.at = now;
    if (this.tokens < 1)
      throw new ChatError('rate_limited', undefined, { retryAfterMs: ((1 - this.tokens) / this.perSecond) * 1000 });
    this.tokens--;
  }
}

/** Calls of one connection, and of one user or address over HTTP, whatever they are. */
export const callRate = Object.freeze({ perSecond: 100, burst: 200 });
/** Calls of one connection that may wait for their answer at a time. */
export const PENDING_CALLS = 256;

/** Who may call what how often: PROTOCOL section 4, and one rate over everything. */
@Injectable()
export class Limits {
  private readonly messages: Limiter;
  private readonly registrations: Limiter;
  private readonly logins: Limiter;
  private readonly failures: Limiter;
  private readonly http: Limiter;
  /** The newest guess at each password that is being checked; bounded by the rate of logins. */
  private readonly guesses = new Map<string, Promise<void>>();

  constructor(@Inject(PARTS) { config, limiters }: GatewayParts) {
    const perAddress = (name: string, { points, seconds }: { points: number; seconds: number }) =>
      limiters.create({ name, points: points * config.ADDRESS_LIMIT_SCALE, seconds });
    const users = config.USER_LIMIT_SCALE;
    this.messages = limiters.create({
      name: 'messages',
      points: limits.messagesPerSecond * users,
      seconds: 1,
      burst: limits.messageBurst * users,
    });
    this.registrations = perAddress('registrations', rates.register);
    this.logins = perAddress('logins', rates.login);
    this.failures = perAddress('failures', rates.failedLogin);
    const http = Math.max(users, config.ADDRESS_LIMIT_SCALE);
    this.http = createMemoryLimiters().create({
      name: 'http',
      points: callRate.perSecond * http,
      seconds: 1,
      burst: callRate.burst * http,
    });
  }

  /** Before a call is made. Rejects with `rate_limited`. */
  async admit(name: CallName, input: unknown, client: Client): Promise<void> {
    const address = addressKey(client.address);
    if (!client.connection) await this.request(client);
    if (name === 'message.send') return this.messages.take(client.session!.userId);
    if (name === 'auth.register' || name === 'auth.guest') return this.registrations.take(address);
    if (name === 'auth.login') await this.logins.take(address);
  }

  /** The one rate over everything that comes over HTTP. */
  async request({ session, address }: Client): Promise<void> {
    await this.http.take(session?.userId ?? addressKey(address));
  }

  /**
   * Makes a call that was admitted. A wrong password counts against those who guess it, and guesses at one password wait for each other, so that
   * many at once are no more than many in a row.
   */
  counted<T>(name: CallName, input: unknown, client: Client, make: () => Promise<T>): Promise<T> {
    const guess = guessKey(name, input, client);
    if (guess === undefined) return make();
    const before = this.guesses.get(guess) ?? Promise.resolve();
    const answer = before.then(() => this.guess(guess, make));
    const done = answer
      .then(nothing, nothing)
      .then(() => void (this.guesses.get(guess) === done && this.guesses.delete(guess)));
    this.guesses.set(guess, done);
    return answer;
  }

  private async guess<T>(guess: string, make: () => Promise<T>): Promise<T> {
    await this.failures.check(guess);
    try {
      return await make();
    } catch (error) {
      // That it was the last one allowed shows with the next.
      if (isWrongGuess(error)) await this.failures.take(guess).catch(nothing);
      throw error;
    }
  }
}

const nothing = () => undefined;
const isWrongGuess = (error: unknown) =>
  error instanceof ChatError && (error.code === 'unauthenticated' || error.code === 'forbidden');

/** What guessing a password counts against: an account from one address, so that its owner elsewhere is not locked out. */
function guessKey(name: CallName, input: unknown, client: Client): string | undefined {
  if (name === 'auth.login') return `login:${(input as { username: string }).username}:${addressKey(client.address)}`;
  return name === 'auth.password' ? `password:${client.session!.userId}` : undefined;
}

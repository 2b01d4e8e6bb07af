import { Injectable } from '@nestjs/common';
import { ChatError, limits, rates, type CallName } from '@parley/contracts';
import { createMemoryLimiters, Limiters, type Limiter } from '@parley/realtime';
import { GatewayConfig } from '../config.js';
import { CALL_RATE } from '../connections/connection.js';
import { addressKey, type Client } from './client.js';

/** Enforces the rates of calls that the protocol states, and one rate over everything that comes over HTTP. */
@Injectable()
export class Limits {
  private readonly messages: Limiter;
  private readonly registrations: Limiter;
  private readonly logins: Limiter;
  private readonly failedLogins: Limiter;
  private readonly http: Limiter;
  /** The newest guess under way for each password. The rate of logins bounds their number. */
  private readonly guesses = new Map<string, Promise<void>>();

  constructor(config: GatewayConfig, limiters: Limiters) {
    const perAddress = (name: string, { points, seconds }: { points: number; seconds: number }) =>
      limiters.create({ name, points: points * config.ADDRESS_LIMIT_SCALE, seconds });
    const userScale = config.USER_LIMIT_SCALE;
    this.messages = limiters.create({
      name: 'messages',
      points: limits.messagesPerSecond * userScale,
      seconds: 1,
      burst: limits.messageBurst * userScale,
    });
    this.registrations = perAddress('registrations', rates.register);
    this.logins = perAddress('logins', rates.login);
    this.failedLogins = perAddress('failures', rates.failedLogin);
    const httpScale = Math.max(userScale, config.ADDRESS_LIMIT_SCALE);
    this.http = createMemoryLimiters().create({
      name: 'http',
      points: CALL_RATE.perSecond * httpScale,
      seconds: 1,
      burst: CALL_RATE.burst * httpScale,
    });
  }

  /** Counts a call that is about to be made. Rejects with `rate_limited`. */
  async admit(name: CallName, client: Client): Promise<void> {
    if (!client.connection) await this.admitRequest(client);
    if (name === 'message.send') return this.messages.take(client.session!.userId);
    if (name === 'auth.register' || name === 'auth.guest') return this.registrations.take(addressKey(client.address));
    if (name === 'auth.login') await this.logins.take(addressKey(client.address));
  }

  /** Counts an HTTP request of any kind. Rejects with `rate_limited`. */
  async admitRequest({ session, address }: Client): Promise<void> {
    await this.http.take(session?.userId ?? addressKey(address));
  }

  /**
   * Makes an admitted call. If it checks a password, a wrong one counts as a failure. Guesses at one password wait for
   * each other, so that parallel guesses gain nothing.
   */
  limitGuesses<T>(name: CallName, input: unknown, client: Client, make: () => Promise<T>): Promise<T> {
    const key = guessKey(name, input, client);
    if (key === undefined) return make();
    const before = this.guesses.get(key) ?? Promise.resolve();
    const answer = before.then(() => this.guess(key, make));
    const done = answer
      .then(nothing, nothing)
      .then(() => void (this.guesses.get(key) === done && this.guesses.delete(key)));
    this.guesses.set(key, done);
    return answer;
  }

  private async guess<T>(key: string, make: () => Promise<T>): Promise<T> {
    await this.failedLogins.check(key);
    try {
      return await make();
    } catch (error) {
      // The last allowed guess gets its own answer; the next one is refused.
      if (isWrongGuess(error)) await this.failedLogins.take(key).catch(nothing);
      throw error;
    }
  }
}

const nothing = () => undefined;
const isWrongGuess = (error: unknown) =>
  error instanceof ChatError && (error.code === 'unauthenticated' || error.code === 'forbidden');

/** The key under which wrong passwords are counted: an account from one address, so that a guesser does not lock its owner out elsewhere. */
function guessKey(name: CallName, input: unknown, client: Client): string | undefined {
  if (name === 'auth.login') return `login:${(input as { username: string }).username}:${addressKey(client.address)}`;
  return name === 'auth.password' ? `password:${client.session!.userId}` : undefined;
}

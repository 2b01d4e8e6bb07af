import { randomBytes } from 'node:crypto';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { hash, verify, type Options } from '@node-rs/argon2';
import { Unavailable } from '@parley/service-kit';
import { AuthSettings } from '../settings.js';

// Its name is in a const enum, which can't be imported with isolated modules.
const ARGON2ID: NonNullable<Options['algorithm']> = 2;
/** OWASP's parameters for argon2id. */
const PARAMETERS: Options = { algorithm: ARGON2ID, memoryCost: 19 * 1024, timeCost: 2, parallelism: 1 };

/** Hashes and checks passwords, a few at a time. Beyond the bound of its queue both reject with {@link Unavailable}. */
@Injectable()
export class Passwords implements OnApplicationBootstrap {
  private running = 0;
  private readonly waiting: (() => void)[] = [];
  /** A hash that no password matches, for unknown usernames. */
  private decoy: Promise<string> | undefined;

  constructor(private readonly settings: AuthSettings) {}

  /** Makes the decoy, so that the first unknown username does not take longer. */
  async onApplicationBootstrap(): Promise<void> {
    await this.decoyHash();
  }

  hash(password: string): Promise<string> {
    return this.inTurn(() => hash(password.normalize('NFKC'), PARAMETERS));
  }

  /**
   * Whether `password` matches `stored`. Without a stored hash (nobody has that name) the same work is done on a decoy,
   * so that the time does not tell the two apart.
   */
  async matches(stored: string | undefined, password: string): Promise<boolean> {
    const against = stored ?? (await this.decoyHash());
    const same = await this.inTurn(() => verify(against, password.normalize('NFKC')));
    return same && stored !== undefined;
  }

  private decoyHash(): Promise<string> {
    return (this.decoy ??= hash(randomBytes(32), PARAMETERS));
  }

  private async inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.running >= this.settings.passwordConcurrency) await this.queue();
    else this.running++;
    try {
      return await work();
    } finally {
      // The next in line takes the place over, so `running` stays.
      const next = this.waiting.shift();
      if (next) next();
      else this.running--;
    }
  }

  private queue(): Promise<void> {
    if (this.waiting.length >= this.settings.passwordQueue)
      throw new Unavailable('too many passwords wait to be checked');
    return new Promise((resolve) => this.waiting.push(resolve));
  }
}

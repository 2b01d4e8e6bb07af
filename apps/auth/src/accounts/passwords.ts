import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { hash, verify, type Options } from '@node-rs/argon2';
import { Unavailable } from '@parley/service-kit';
import { SETTINGS, type Settings } from '../parts.js';

// Its name is in a const enum, which can't be imported with isolated modules.
const ARGON2ID: NonNullable<Options['algorithm']> = 2;
/** OWASP's parameters for argon2id. */
const PARAMETERS: Options = { algorithm: ARGON2ID, memoryCost: 19 * 1024, timeCost: 2, parallelism: 1 };

/** Hashes and checks passwords, a few at a time: beyond the queue's bound both reject with {@link Unavailable}. */
@Injectable()
export class Passwords {
  private running = 0;
  private readonly waiting: (() => void)[] = [];
  private decoy: Promise<string> | undefined;

  constructor(@Inject(SETTINGS) private readonly settings: Settings) {}

  hash(password: string): Promise<string> {
    return this.inTurn(() => hash(password.normalize('NFKC'), PARAMETERS));
  }

  /**
   * Whether `password` is the one of `stored`. Without a stored hash (nobody has that name) the same work is done on a hash that nothing matches, so that the
   * time does not tell the two apart.
   */
  async matches(stored: string | undefined, password: string): Promise<boolean> {
    const against = stored ?? (await (this.decoy ??= hash(randomBytes(32), PARAMETERS)));
    const same = await this.inTurn(() => verify(against, password.normalize('NFKC')));
    return same && stored !== undefined;
  }

  /** Makes the hash for unknown names, so that the first of them is not slower. */
  async prepare(): Promise<void> {
    await (this.decoy ??= hash(randomBytes(32), PARAMETERS));
  }

  private async inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.running >= this.settings.passwordConcurrency) await this.queue();
    else this.running++;
    try {
      return await work();
    } finally {
      // The place goes straight to the next in line.
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

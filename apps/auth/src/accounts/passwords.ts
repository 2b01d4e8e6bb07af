import { randomBytes } from 'node:crypto';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { hash, verify, type Options } from '@node-rs/argon2';
import { ChatError } from '@parley/contracts';
import { addressKey, Unavailable } from '@parley/service-kit';
import { AuthSettings } from '../settings.js';

// Its name is in a const enum, which can't be imported with isolated modules.
const ARGON2ID: NonNullable<Options['algorithm']> = 2;
/** OWASP's parameters for argon2id. */
const PARAMETERS: Options = { algorithm: ARGON2ID, memoryCost: 19 * 1024, timeCost: 2, parallelism: 1 };

const RETRY_MS = 1_000;

/** A password that waits for its turn. */
interface Waiting {
  readonly start: () => void;
  readonly refuse: (error: Error) => void;
}

/**
 * Hashes and checks passwords, a few at a time. Addresses take turns, so that many passwords from one do not hold up
 * those of others. Beyond the bound of the queue the newest of the longest line is refused: with `rate_limited`, or with
 * {@link Unavailable} when every line has one only. `address`: the client's; those without one share a line.
 */
@Injectable()
export class Passwords implements OnApplicationBootstrap {
  private running = 0;
  /** The line of each address. The one whose turn it is comes first. */
  private readonly lines = new Map<string, Waiting[]>();
  private waiting = 0;
  /** A hash that no password matches, for unknown usernames. */
  private decoy: Promise<string> | undefined;

  constructor(private readonly settings: AuthSettings) {}

  /** Makes the decoy, so that the first unknown username does not take longer. */
  async onApplicationBootstrap(): Promise<void> {
    await this.decoyHash();
  }

  hash(password: string, address?: string): Promise<string> {
    return this.inTurn(address, () => hash(password.normalize('NFKC'), PARAMETERS));
  }

  /**
   * Whether `password` matches `stored`. Without a stored hash (nobody has that name) the same work is done on a decoy,
   * so that the time does not tell the two apart.
   */
  async matches(stored: string | undefined, password: string, address?: string): Promise<boolean> {
    const against = stored ?? (await this.decoyHash());
    const same = await this.inTurn(address, () => verify(against, password.normalize('NFKC')));
    return same && stored !== undefined;
  }

  private decoyHash(): Promise<string> {
    return (this.decoy ??= hash(randomBytes(32), PARAMETERS));
  }

  private async inTurn<T>(address: string | undefined, work: () => Promise<T>): Promise<T> {
    if (this.running >= this.settings.passwordConcurrency) await this.queue(addressKey(address ?? ''));
    else this.running++;
    try {
      return await work();
    } finally {
      // The next takes the place over, so `running` stays.
      const next = this.next();
      if (next) next.start();
      else this.running--;
    }
  }

  private queue(key: string): Promise<void> {
    return new Promise((start, refuse) => {
      const line = this.lines.get(key) ?? [];
      line.push({ start, refuse });
      this.lines.set(key, line);
      this.waiting++;
      if (this.waiting > this.settings.passwordQueue) this.refuseOne(key);
    });
  }

  /** The first of the next line, which then is the last to have a turn again. */
  private next(): Waiting | undefined {
    for (const [key, line] of this.lines) {
      this.lines.delete(key);
      const first = line.shift()!;
      if (line.length > 0) this.lines.set(key, line);
      this.waiting--;
      return first;
    }
    return undefined;
  }

  /** Refuses the newest of the longest line; of equally long ones, of the line that grew just now. */
  private refuseOne(grown: string): void {
    let longest = grown;
    for (const [key, { length }] of this.lines) if (length > this.lines.get(longest)!.length) longest = key;
    const line = this.lines.get(longest)!;
    const error =
      line.length > 1
        ? new ChatError('rate_limited', 'too many passwords of this address wait', { retryAfterMs: RETRY_MS })
        : new Unavailable('too many passwords wait to be checked');
    line.pop()!.refuse(error);
    if (line.length === 0) this.lines.delete(longest);
    this.waiting--;
  }
}

import { Unavailable, type Logger } from '@parley/service-kit';
import { RedisLink, type RedisOptions } from './redis-link.js';

/** A connection that a message was written to, and when, in milliseconds. */
export interface Pushed {
  readonly userId: string;
  readonly connectionId: string;
  readonly at: number;
}
export type Device = Omit<Pushed, 'at'>;

/** What was noted of a message; `committed` in milliseconds. */
export interface MessageTrace {
  readonly committed?: number;
  /** In the order of their times. */
  readonly pushed: readonly Pushed[];
}

/**
 * Where messages got to lately, for whoever looks into one: nothing else depends on it. Noting something never waits, throws or rejects; it is done within some 50 ms, and
 * not at all beyond {@link TraceLimits} or while Redis is away. Times are by the clock of whoever noted them. Two implementations: Redis and in-memory; one conformance suite.
 */
export abstract class Traces {
  /** These are committed, now. */
  abstract committed(messageIds: readonly string[]): void;
  /** It was written to these, now. Takes no more of them than it notes. */
  abstract pushed(messageId: string, devices: Iterable<Device>): void;
  /** undefined when nothing is known, or not any more. Rejects with `Unavailable` while Redis is away. */
  abstract of(messageId: string): Promise<MessageTrace | undefined>;
  abstract close(): Promise<void>;
}

/** What bounds the memory that traces take: of one process, about `perSecond` × `keepMs` × 200 bytes. */
export interface TraceLimits {
  /** How long a trace is kept after the last note. */
  readonly keepMs?: number;
  /** Connections noted of one message, by one gateway. */
  readonly devices?: number;
  /** Notes of one process; what comes beyond is not noted. */
  readonly perSecond?: number;
}
const defaults: Required<TraceLimits> = { keepMs: 15 * 60_000, devices: 50, perSecond: 100 };

/** Traces that are kept in memory; of more, the oldest are dropped. */
const MOST_IN_MEMORY = 10_000;

export const createMemoryTraces = (limits: TraceLimits = {}): Traces => new MemoryTraces({ ...defaults, ...limits });

/** A hash for each message, `<prefix>trace:{<messageId>}`: when it was committed, and for each connection whose it is and when. */
export async function createRedisTraces(options: RedisOptions & TraceLimits): Promise<Traces> {
  return new RedisTraces(await RedisLink.connect(options), options.logger, { ...defaults, ...options });
}

/** Counts notes, and refuses those that are too many. */
class Allowance {
  private second = -1;
  private left = 0;

  constructor(private readonly perSecond: number) {}

  take(): boolean {
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.second) {
      this.second = second;
      this.left = this.perSecond;
    }
    return this.left-- > 0;
  }
}

abstract class Noting extends Traces {
  private readonly allowance: Allowance;

  constructor(protected readonly limits: Required<TraceLimits>) {
    super();
    this.allowance = new Allowance(limits.perSecond);
  }

  committed(messageIds: readonly string[]): void {
    const at = Date.now();
    for (const messageId of messageIds) {
      if (!this.allowance.take()) return;
      this.note(messageId, { committed: at });
    }
  }

  pushed(messageId: string, devices: Iterable<Device>): void {
    const at = Date.now();
    let count = 0;
    for (const { userId, connectionId } of devices) {
      if (!this.allowance.take()) return;
      this.note(messageId, { userId, connectionId, at });
      if (++count === this.limits.devices) return;
    }
  }

  protected abstract note(messageId: string, what: Pushed | { readonly committed: number }): void;
}

interface Kept {
  committed?: number;
  readonly pushed: Pushed[];
  until: number;
}

class MemoryTraces extends Noting {
  private readonly kept = new Map<string, Kept>();

  protected note(messageId: string, what: Pushed | { readonly committed: number }): void {
    const trace = this.live(messageId) ?? { pushed: [], until: 0 };
    trace.until = performance.now() + this.limits.keepMs;
    if ('committed' in what) trace.committed = what.committed;
    else if (!trace.pushed.some(({ connectionId }) => connectionId === what.connectionId)) trace.pushed.push(what);
    this.kept.delete(messageId);
    this.kept.set(messageId, trace);
    if (this.kept.size > MOST_IN_MEMORY) this.kept.delete(this.kept.keys().next().value!);
  }

  of(messageId: string): Promise<MessageTrace | undefined> {
    const trace = this.live(messageId);
    return Promise.resolve(
      trace && { ...(trace.committed !== undefined && { committed: trace.committed }), pushed: [...trace.pushed] },
    );
  }

  close(): Promise<void> {
    this.kept.clear();
    return Promise.resolve();
  }

  private live(messageId: string): Kept | undefined {
    const trace = this.kept.get(messageId);
    return trace && trace.until > performance.now() ? trace : undefined;
  }
}

const COMMITTED = 'committed';
/** How long notes wait for others to share their way to Redis. */
const GATHER_MS = 50;

class RedisTraces extends Noting {
  private waiting = new Map<string, (string | number)[]>();

  private refused = false;

  constructor(
    private readonly link: RedisLink,
    private readonly logger: Logger,
    limits: Required<TraceLimits>,
  ) {
    super(limits);
  }

  protected note(messageId: string, what: Pushed | { readonly committed: number }): void {
    if (this.link.problem !== undefined) return;
    if (this.waiting.size === 0) setTimeout(() => this.flush(), GATHER_MS).unref();
    const fields = this.waiting.get(messageId) ?? [];
    this.waiting.set(messageId, fields);
    // Short enough for the compact form of a hash (hash-max-listpack-value): a tenth of the memory.
    if ('committed' in what) fields.push(COMMITTED, what.committed);
    else fields.push(what.connectionId, `${what.at} ${what.userId}`);
  }

  async of(messageId: string): Promise<MessageTrace | undefined> {
    const fields = await this.link.call((redis) => redis.hgetall(this.key(messageId)));
    const { [COMMITTED]: committed, ...connections } = fields;
    if (Object.keys(fields).length === 0) return undefined;
    const pushed = Object.entries(connections).map(([connectionId, text]): Pushed => {
      const [at, userId] = text.split(' ') as [string, string];
      return { userId, connectionId, at: Number(at) };
    });
    return {
      ...(committed !== undefined && { committed: Number(committed) }),
      pushed: pushed.toSorted((a, b) => a.at - b.at),
    };
  }

  close(): Promise<void> {
    this.waiting.clear();
    return this.link.close();
  }

  private flush(): void {
    const commands = [...this.waiting].flatMap(([messageId, fields]) => [
      ['hset', this.key(messageId), ...fields],
      ['pexpire', this.key(messageId), this.limits.keepMs],
    ]);
    this.waiting = new Map();
    if (commands.length > 0) this.link.pipeline(commands).catch((error: unknown) => this.lost(error));
  }

  /** Redis being away is its link's to tell; that it refuses is told once. */
  private lost(error: unknown): void {
    if (error instanceof Unavailable || this.refused) return;
    this.refused = true;
    this.logger.warn({ err: error }, 'Redis refuses to note traces of messages');
  }

  private key(messageId: string): string {
    return `${this.link.prefix}trace:{${messageId}}`;
  }
}

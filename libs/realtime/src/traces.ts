import { Batcher, Unavailable, type Logger } from '@parley/service-kit';
import { RedisConnection, type RedisOptions } from './redis-connection.js';

/** A connection to which a message was written, and the time in milliseconds since 1970. */
export interface Pushed {
  readonly userId: string;
  readonly connectionId: string;
  readonly at: number;
}
/** A connection of a user. */
export type TracedConnection = Omit<Pushed, 'at'>;

/** The progress of a message. `committed`: milliseconds since 1970. */
export interface MessageTrace {
  readonly committed?: number;
  /** In the order of their times. */
  readonly pushed: readonly Pushed[];
}

/**
 * The progress of recent messages, for debugging one message; nothing else depends on it. A class, so that Nest injects
 * it by type. Recording never waits, throws or rejects. Records are stored within about 50 ms; they are dropped beyond
 * {@link TraceLimits} and while Redis is unavailable. Times are by the clock of the recording process. Two
 * implementations, Redis and in-memory, pass one conformance suite.
 */
export abstract class Traces {
  /** Records that these messages have just been committed. */
  abstract committed(messageIds: readonly string[]): void;
  /** Records that a message has just been written to these connections. Reads no more of them than it records. */
  abstract pushed(messageId: string, devices: Iterable<TracedConnection>): void;
  /**
   * undefined if nothing is known about the message (any more). Rejects with `Unavailable` while Redis is unavailable.
   */
  abstract of(messageId: string): Promise<MessageTrace | undefined>;
  abstract close(): Promise<void>;
}

/** Bounds the memory that traces take: for one process, about `perSecond` × `keepMs` × 200 bytes. */
export interface TraceLimits {
  /** Lifetime of a trace after its last record, in milliseconds. */
  readonly keepMs?: number;
  /** Maximum number of connections that one gateway records of one message. */
  readonly devices?: number;
  /** Maximum number of records of one process in a second; further ones are dropped. */
  readonly perSecond?: number;
}
const defaults: Required<TraceLimits> = { keepMs: 15 * 60_000, devices: 50, perSecond: 100 };

/** Maximum number of traces that are kept in memory; beyond that the oldest are dropped. */
const MAX_IN_MEMORY = 10_000;

/** Keeps the traces of the last 10,000 messages in the memory of this process. */
export const createMemoryTraces = (limits: TraceLimits = {}): Traces => new MemoryTraces({ ...defaults, ...limits });

/**
 * One hash per message, `<prefix>trace:{<messageId>}`: the time of its commit, and for each connection the user and the
 * time.
 */
export async function createRedisTraces(options: RedisOptions & TraceLimits): Promise<Traces> {
  return new RedisTraces(await RedisConnection.connect(options), options.logger, { ...defaults, ...options });
}

type Note = Pushed | { readonly committed: number };

/** Notes up to the limits; subclasses store the notes. */
abstract class LimitedTraces extends Traces {
  private second = -1;
  private leftInSecond = 0;

  constructor(protected readonly limits: Required<TraceLimits>) {
    super();
  }

  committed(messageIds: readonly string[]): void {
    const at = Date.now();
    for (const messageId of messageIds) {
      if (!this.mayNote()) return;
      this.note(messageId, { committed: at });
    }
  }

  pushed(messageId: string, devices: Iterable<TracedConnection>): void {
    const at = Date.now();
    let count = 0;
    for (const { userId, connectionId } of devices) {
      if (!this.mayNote()) return;
      this.note(messageId, { userId, connectionId, at });
      if (++count === this.limits.devices) return;
    }
  }

  protected abstract note(messageId: string, note: Note): void;

  private mayNote(): boolean {
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.second) {
      this.second = second;
      this.leftInSecond = this.limits.perSecond;
    }
    return this.leftInSecond-- > 0;
  }
}

interface StoredTrace {
  committed?: number;
  readonly pushed: Pushed[];
  until: number;
}

class MemoryTraces extends LimitedTraces {
  private readonly traces = new Map<string, StoredTrace>();

  protected note(messageId: string, note: Note): void {
    const trace = this.live(messageId) ?? { pushed: [], until: 0 };
    trace.until = performance.now() + this.limits.keepMs;
    if ('committed' in note) trace.committed = note.committed;
    else if (!trace.pushed.some(({ connectionId }) => connectionId === note.connectionId)) trace.pushed.push(note);
    this.traces.delete(messageId);
    this.traces.set(messageId, trace);
    if (this.traces.size > MAX_IN_MEMORY) this.traces.delete(this.traces.keys().next().value!);
  }

  of(messageId: string): Promise<MessageTrace | undefined> {
    const trace = this.live(messageId);
    return Promise.resolve(
      trace && { ...(trace.committed !== undefined && { committed: trace.committed }), pushed: [...trace.pushed] },
    );
  }

  close(): Promise<void> {
    this.traces.clear();
    return Promise.resolve();
  }

  private live(messageId: string): StoredTrace | undefined {
    const trace = this.traces.get(messageId);
    return trace && trace.until > performance.now() ? trace : undefined;
  }
}

const COMMITTED = 'committed';
/** Time that notes wait to share a round trip to Redis. */
const BATCH_MS = 50;

class RedisTraces extends LimitedTraces {
  private wasRefused = false;
  private readonly batcher = new Batcher<{ readonly messageId: string; readonly note: Note }>({
    waitMs: BATCH_MS,
    flush: async (notes) => {
      const byMessage = Map.groupBy(notes, ({ messageId }) => messageId);
      const commands = [...byMessage].flatMap(([messageId, own]) => [
        ['hset', this.key(messageId), ...own.flatMap(({ note }) => fieldsOf(note))],
        ['pexpire', this.key(messageId), this.limits.keepMs],
      ]);
      await this.connection.exec(commands).catch((error: unknown) => this.onFailure(error));
    },
  });

  constructor(
    private readonly connection: RedisConnection,
    private readonly logger: Logger,
    limits: Required<TraceLimits>,
  ) {
    super(limits);
  }

  protected note(messageId: string, note: Note): void {
    if (this.connection.problem !== undefined) return;
    // Rejects only once it is closed.
    this.batcher.add({ messageId, note }).catch(() => undefined);
  }

  async of(messageId: string): Promise<MessageTrace | undefined> {
    const fields = await this.connection.call((redis) => redis.hgetall(this.key(messageId)));
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

  async close(): Promise<void> {
    await this.batcher.close();
    await this.connection.close();
  }

  /** Logs once that Redis refuses; the connection logs that Redis is unavailable. */
  private onFailure(error: unknown): void {
    if (error instanceof Unavailable || this.wasRefused) return;
    this.wasRefused = true;
    this.logger.warn({ err: error }, 'Redis refuses to note traces of messages');
  }

  private key(messageId: string): string {
    return `${this.connection.prefix}trace:{${messageId}}`;
  }
}

/** Short enough for the compact form of a hash (hash-max-listpack-value), which takes a tenth of the memory. */
const fieldsOf = (note: Note): (string | number)[] =>
  'committed' in note ? [COMMITTED, note.committed] : [note.connectionId, `${note.at} ${note.userId}`];

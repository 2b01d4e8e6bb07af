import { Redis } from 'ioredis';
import { StartError, Unavailable, type Logger } from '@parley/service-kit';

export interface RedisOptions {
  readonly url: string;
  readonly logger: Logger;
  /** Before every key. Two deployments on one Redis differ by it. */
  readonly prefix?: string;
  /** The longest that one call waits. */
  readonly timeoutMs?: number;
  /** The longest that `connect` waits for Redis at the start. */
  readonly connectMs?: number;
}

/**
 * A connection to Redis that never makes a caller wait: every call ends within `timeoutMs`, and while Redis is away each rejects at once.
 * A command whose answer is lost with the connection is never sent again behind the caller's back. It may have been done: commands are written so that doing them twice is harmless.
 */
export class RedisLink {
  readonly prefix: string;
  private readonly timeoutMs: number;
  private away: string | undefined = 'not connected to Redis yet';
  private run: string | undefined;
  private gathered: {
    readonly commands: (string | number)[][];
    readonly resolve: (results: unknown[]) => void;
    readonly reject: (error: unknown) => void;
  }[] = [];

  private constructor(
    readonly redis: Redis,
    private readonly logger: Logger,
    options: RedisOptions,
  ) {
    this.prefix = options.prefix ?? 'parley:';
    this.timeoutMs = options.timeoutMs ?? 500;
    redis.on('ready', () => void this.greet());
    // An error comes before the close that it causes, and says more.
    redis.on('error', (error: Error) => this.lost(error.message));
    redis.on('close', () => this.lost(this.away ?? 'the connection to Redis is lost'));
  }

  /** Rejects with a {@link StartError} when Redis does not answer within `connectMs`. */
  static async connect(options: RedisOptions): Promise<RedisLink> {
    const timeoutMs = options.timeoutMs ?? 500;
    const redis = new Redis(options.url, {
      lazyConnect: true,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      // Rejects what was under way as soon as the connection is lost.
      maxRetriesPerRequest: 0,
      connectTimeout: 2000,
      // Gives up a connection whose other end is silent while answers are due: frozen, or half open.
      socketTimeout: timeoutMs * 2,
      retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 5), 1000) * (0.5 + Math.random() / 2),
    });
    const link = new RedisLink(redis, options.logger, options);
    await link.ready(options.connectMs ?? 5000);
    return link;
  }

  /** undefined while Redis answers, otherwise what is wrong, for people. */
  get problem(): string | undefined {
    return this.away;
  }

  /** Names the run of the server that this connection leads to: another one after every restart and fail-over, which may have lost data. */
  get runId(): string {
    return this.run ?? '';
  }

  /** Rejects with {@link Unavailable}; with anything else when Redis refuses the command itself. */
  async call<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
    if (this.away !== undefined) throw new Unavailable(this.away);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Unavailable(`Redis did not answer within ${this.timeoutMs} ms`)),
        this.timeoutMs,
      );
    });
    try {
      return await Promise.race([work(this.redis), late]);
    } catch (error) {
      throw error instanceof TypeError ? error : failure(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Like {@link call}, for many commands in one round trip, in their order. An error in one of them is an error of all. What is asked for within one turn of the event loop shares the round
   * trip.
   */
  pipeline(commands: (string | number)[][]): Promise<unknown[]> {
    return new Promise((resolve, reject) => {
      if (this.gathered.length === 0) setImmediate(() => this.flush());
      this.gathered.push({ commands, resolve, reject });
    });
  }

  private flush(): void {
    const { gathered } = this;
    this.gathered = [];
    this.call((redis) => redis.pipeline(gathered.flatMap(({ commands }) => commands)).exec()).then(
      (all) => {
        let at = 0;
        for (const { commands, resolve, reject } of gathered) {
          const results = (all ?? []).slice(at, (at += commands.length));
          const failed = results.find(([error]) => error !== null)?.[0];
          if (failed) reject(failure(failed));
          else resolve(results.map(([, result]) => result));
        }
      },
      (error: unknown) => {
        for (const { reject } of gathered) reject(error);
      },
    );
  }

  close(): Promise<void> {
    this.away = 'closed';
    this.redis.disconnect();
    return Promise.resolve();
  }

  private async ready(connectMs: number): Promise<void> {
    const until = performance.now() + connectMs;
    await this.redis.connect().catch(() => undefined);
    while (this.away !== undefined && performance.now() < until)
      await new Promise((resolve) => setTimeout(resolve, 25));
    if (this.away === undefined) return;
    const reason = this.away;
    await this.close();
    throw new StartError(`Redis can't be reached (REDIS_URL): ${reason}`);
  }

  private async greet(): Promise<void> {
    const info = await this.redis.info('server').catch((error: Error) => (isRefusal(error) ? '' : undefined));
    if (info === undefined) return; // Lost again already; the next `ready` asks again.
    this.run = /run_id:(\w+)/.exec(info)?.[1] ?? '';
    if (this.away === 'closed') return;
    this.away = undefined;
    this.logger.debug('connected to Redis');
  }

  private lost(reason: string): void {
    if (this.away === 'closed') return;
    if (this.away === undefined) this.logger.warn({ reason }, 'Redis is away');
    this.away = reason;
  }
}

const failure = (error: unknown): unknown =>
  isRefusal(error) || error instanceof Unavailable
    ? error
    : new Unavailable(error instanceof Error ? error.message : String(error), { cause: error });

/** An answer of Redis that says no, as opposed to none; `-READONLY`, `-LOADING` and their like are Redis not being able to just now. */
const isRefusal = (error: unknown): boolean =>
  error instanceof Error &&
  error.name === 'ReplyError' &&
  !/^(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|OOM|MISCONF|NOREPLICAS)\b/.test(error.message);

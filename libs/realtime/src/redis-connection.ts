import { times } from '@parley/contracts';
import { Redis } from 'ioredis';
import { Batcher, pause, StartError, Unavailable, withTimeout, type Logger } from '@parley/service-kit';

/** The settings of a {@link RedisConnection}. */
export interface RedisOptions {
  readonly url: string;
  readonly logger: Logger;
  /** The prefix of every key, different for each deployment on one Redis. Default: `parley:`. */
  readonly prefix?: string;
  /** Maximum duration of one call, in milliseconds. Default: 500. */
  readonly timeoutMs?: number;
  /** Maximum time that `connect` waits for Redis at the start, in milliseconds. Default: 5,000. */
  readonly connectMs?: number;
}

/** A command and its arguments, as in `['get', key]`. Keys include the prefix. */
export type RedisCommand = readonly (string | number)[];
type CommandResult = readonly [error: Error | null, result: unknown];

/**
 * A connection to Redis that bounds every call: it ends within `timeoutMs`, and rejects at once while Redis is
 * unavailable. A command whose answer is lost with the connection may have been carried out; it is never repeated
 * automatically. All commands are idempotent.
 */
export class RedisConnection {
  readonly prefix: string;
  private readonly timeoutMs: number;
  /** The reason why Redis is unavailable, for operators. */
  private reason: string | undefined = 'not connected to Redis yet';
  private run: string | undefined;
  private readonly batcher = new Batcher<readonly RedisCommand[], readonly CommandResult[]>({
    flush: async (batch) => {
      const results = await this.results(batch.flat());
      let at = 0;
      return batch.map(({ length }) => results.slice(at, (at += length)));
    },
  });

  private constructor(
    readonly redis: Redis,
    private readonly logger: Logger,
    options: RedisOptions,
  ) {
    this.prefix = options.prefix ?? 'parley:';
    this.timeoutMs = options.timeoutMs ?? 500;
    redis.on('ready', () => void this.onReady());
    // An error precedes the close that it causes, and has the better message.
    redis.on('error', (error: Error) => this.onLost(error.message));
    redis.on('close', () => this.onLost(this.reason ?? 'the connection to Redis is lost'));
  }

  /** Rejects with a {@link StartError} when Redis does not answer within `connectMs`. */
  static async connect(options: RedisOptions): Promise<RedisConnection> {
    const timeoutMs = options.timeoutMs ?? 500;
    const redis = new Redis(options.url, {
      lazyConnect: true,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      // Rejects the calls under way as soon as the connection is lost.
      maxRetriesPerRequest: 0,
      connectTimeout: 2000,
      // Closes a connection whose server does not send while answers are due: frozen, or half open.
      socketTimeout: timeoutMs * 2,
      retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 5), 1000) * (0.5 + Math.random() / 2),
    });
    const connection = new RedisConnection(redis, options.logger, options);
    await connection.ready(options.connectMs ?? 5000);
    return connection;
  }

  /** undefined while Redis answers, otherwise the problem, for operators. */
  get problem(): string | undefined {
    return this.reason;
  }

  /** Identifies the run of the Redis server: it changes with every restart and failover, which may have lost data. */
  get runId(): string {
    return this.run ?? '';
  }

  /** Rejects with {@link Unavailable}, or with Redis' own error if it refuses the command. */
  async call<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
    if (this.reason !== undefined) throw new Unavailable(this.reason);
    const late = () => new Unavailable(`Redis did not answer within ${this.timeoutMs} ms`);
    try {
      return await withTimeout(this.timeoutMs, work(this.redis), late);
    } catch (error) {
      throw error instanceof TypeError ? error : failureOf(error);
    }
  }

  /** Like {@link call}, for several commands in one round trip, in their order. An error of one command rejects all. */
  async exec(commands: readonly RedisCommand[]): Promise<unknown[]> {
    return valuesOf(await this.results(commands));
  }

  /** Like {@link exec}. Calls of the same turn of the event loop share the round trip, not their errors. */
  async pipeline(commands: readonly RedisCommand[]): Promise<unknown[]> {
    return valuesOf(await this.batcher.add(commands));
  }

  close(): Promise<void> {
    this.reason = 'closed';
    this.redis.disconnect();
    return Promise.resolve();
  }

  private async results(commands: readonly RedisCommand[]): Promise<readonly CommandResult[]> {
    return (await this.call((redis) => redis.pipeline(commands as (string | number)[][]).exec())) ?? [];
  }

  private async ready(connectMs: number): Promise<void> {
    const until = performance.now() + connectMs;
    await this.redis.connect().catch(() => undefined);
    while (this.reason !== undefined && performance.now() < until) await pause(25);
    if (this.reason === undefined) return;
    const reason = this.reason;
    await this.close();
    throw new StartError(`Redis can't be reached (REDIS_URL): ${reason}`);
  }

  private async onReady(): Promise<void> {
    const info = await this.redis.info('server').catch((error: Error) => (isRefusal(error) ? '' : undefined));
    if (info === undefined) return; // Lost again already; the next `ready` event asks again.
    this.run = /run_id:(\w+)/.exec(info)?.[1] ?? '';
    if (this.reason === 'closed') return;
    this.reason = undefined;
    this.logger.debug('connected to Redis');
  }

  private onLost(reason: string): void {
    if (this.reason === 'closed') return;
    if (this.reason === undefined) this.logger.warn({ reason }, 'Redis is unavailable');
    this.reason = reason;
  }
}

function valuesOf(results: readonly CommandResult[]): unknown[] {
  const failed = results.find(([error]) => error !== null)?.[0];
  if (failed) throw failureOf(failed);
  return results.map(([, result]) => result);
}

const failureOf = (error: unknown): unknown =>
  isRefusal(error) || error instanceof Unavailable
    ? error
    : new Unavailable(error instanceof Error ? error.message : String(error), { cause: error });

/** Whether Redis answered with a refusal. `-READONLY`, `-LOADING` and similar mean that it cannot answer now. */
const isRefusal = (error: unknown): boolean =>
  error instanceof Error &&
  error.name === 'ReplyError' &&
  !/^(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|OOM|MISCONF|NOREPLICAS)\b/.test(error.message);

/** Time after a data loss in which every gateway renews its entries, in milliseconds. */
const SETTLE_MS = times.renewMs + 4000;

const generationScript = `
local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000)
local born, run = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (.*)$')
if run ~= ARGV[1] then born = now redis.call('SET', KEYS[1], string.format('%d', now) .. ' ' .. ARGV[1]) end
return {now, tonumber(born)}`;

/**
 * The time since which the data in Redis are complete. A key holds that time and the run of the server in which it was
 * written. When the key is missing (Redis was flushed) or names another run (Redis restarted, or a replica took over,
 * with data that may be old), the data are complete from now on. Send `command()` in a pipeline, and pass its answer to
 * the other methods.
 */
export class RedisGeneration {
  private first: number | undefined;

  /** @param settleMs Time after a loss in which missing data may be restored. */
  constructor(
    private readonly connection: RedisConnection,
    private readonly name: string,
    private readonly settleMs: number = SETTLE_MS,
  ) {}

  command(): (string | number)[] {
    return ['eval', generationScript, 1, this.connection.prefix + this.name, this.connection.runId];
  }

  /** Milliseconds on the clock of Redis. */
  now(answer: unknown): number {
    return (answer as [number, number])[0];
  }

  /** Whether enough time has passed since a data loss for all gateways to renew their entries. */
  isSettled(answer: unknown): boolean {
    const [now, born] = answer as [number, number];
    return now - born >= this.settleMs;
  }

  /**
   * Whether data were lost after the first answer, and may not be restored yet. An empty Redis at the start is not a
   * loss.
   */
  isLost(answer: unknown): boolean {
    const [, born] = answer as [number, number];
    this.first ??= born;
    return born !== this.first && !this.isSettled(answer);
  }
}

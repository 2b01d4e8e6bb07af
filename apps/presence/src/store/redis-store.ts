import { times } from '@parley/contracts';
import { RedisConnection, RedisGeneration, type RedisOptions } from '@parley/realtime';
import { pause, Unavailable } from '@parley/service-kit';
import { dueAt, emptyRecord, type PresenceRecord } from '../record.js';
import { storeTimes, type RecordUpdate, type PresenceStore, type StoreOptions } from './store.js';

/**
 * The store in Redis, with Redis' clock. Users fall into 16 buckets, and all keys of a bucket carry its hash tag, so
 * that each script works on one node of a Redis Cluster. Keys, after `<prefix>presence:{bucket}:`
 *
 * - `user:<id>`: the record as JSON, replaced only if it is still the text that was read
 * - `due`: users by the time at which they are due
 * - `asked`, `held`: for {@link PresenceStore.due}
 * - `watch:<id>`: the subscribing gateways by the time at which each subscription ends
 *
 * and `<prefix>presence:born`: since when the data are complete (see {@link RedisGeneration}).
 */
export async function createRedisStore(
  options: RedisOptions & StoreOptions & { settleMs?: number },
): Promise<PresenceStore> {
  const store = new RedisStore(await RedisConnection.connect(options), options);
  await firstRead(store, performance.now() + (options.connectMs ?? FIRST_READ_MS));
  return store;
}

/** Writes what every read needs. Redis may be slow for a moment, while everything starts at once. */
async function firstRead(store: PresenceStore, until: number): Promise<void> {
  try {
    await store.read([]);
  } catch (error) {
    if (error instanceof Unavailable && performance.now() < until) {
      await pause(FIRST_READ_PAUSE_MS);
      return firstRead(store, until);
    }
    await store.close();
    throw error;
  }
}
/** How long a start waits for the first read. */
const FIRST_READ_MS = 5_000;
const FIRST_READ_PAUSE_MS = 100;

const BUCKETS = 16;
/** Time for which the record of an absent user is kept. */
const RECORD_TTL_MS = 30 * 24 * 3600 * 1000;
const MAX_TRIES = 20;
const CHUNK = 500;

const now = "local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000)";
const replace = `
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ${RECORD_TTL_MS})
if ARGV[4] == '' then redis.call('ZREM', KEYS[2], ARGV[3]) else redis.call('ZADD', KEYS[2], ARGV[4], ARGV[3]) end
return 1`;
const due = `${now}
local asked = redis.call('GET', KEYS[2])
if not asked or now - asked > tonumber(ARGV[1]) then redis.call('SET', KEYS[3], 1, 'PX', ARGV[2]) end
redis.call('SET', KEYS[2], string.format('%d', now), 'PX', ${RECORD_TTL_MS})
return {redis.call('EXISTS', KEYS[3]), redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[3])}`;
const watch = `${now}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[1])`;

interface Stored {
  readonly text: string;
  readonly record: PresenceRecord;
}

class RedisStore implements PresenceStore {
  private readonly unsweptMs: number;
  private readonly holdMs: number;
  private readonly watchMs: number;
  private readonly generation: RedisGeneration;

  constructor(
    private readonly connection: RedisConnection,
    {
      unsweptMs = storeTimes.unsweptMs,
      holdMs = storeTimes.holdMs,
      watchMs = times.leaseMs,
      settleMs,
    }: StoreOptions & { settleMs?: number },
  ) {
    this.generation = new RedisGeneration(connection, 'presence:born', settleMs);
    this.unsweptMs = unsweptMs;
    this.holdMs = holdMs;
    this.watchMs = watchMs;
  }

  get problem(): string | undefined {
    return this.connection.problem;
  }

  async update(userIds: readonly string[], change: RecordUpdate): Promise<ReadonlyMap<string, PresenceRecord>> {
    const updated = new Map<string, PresenceRecord>();
    for (const chunk of chunksOf([...new Set(userIds)], CHUNK)) {
      let remaining = chunk;
      for (let tries = 0; remaining.length > 0; tries++) {
        if (tries === MAX_TRIES) throw new Unavailable(`${remaining.length} presence records change too fast`);
        remaining = await this.tryUpdate(remaining, change, updated);
      }
    }
    return updated;
  }

  async read(userIds: readonly string[]): Promise<{ records: ReadonlyMap<string, PresenceRecord>; complete: boolean }> {
    const { stored, lost } = await this.fetch([...new Set(userIds)]);
    const records = new Map(
      [...stored].flatMap(([userId, { text, record }]) => (text === '' ? [] : [[userId, record]])),
    );
    return { records, complete: !lost };
  }

  async due(limit: number): Promise<{ userIds: readonly string[]; held: boolean }> {
    const perBucket = Math.ceil(limit / BUCKETS);
    const answers = await this.connection.pipeline(
      Array.from({ length: BUCKETS }, (_, b) => [
        'eval',
        due,
        3,
        this.name(b, 'due'),
        this.name(b, 'asked'),
        this.name(b, 'held'),
        this.unsweptMs,
        this.holdMs,
        perBucket,
      ]),
    );
    const buckets = answers as [number, string[]][];
    return { userIds: buckets.flatMap(([, userIds]) => userIds), held: buckets.some(([held]) => held === 1) };
  }

  async watch(gatewayId: string, userIds: readonly string[]): Promise<void> {
    if (userIds.length > 0)
      await this.connection.pipeline(
        userIds.map((userId) => ['eval', watch, 1, this.key('watch', userId), this.watchMs, gatewayId]),
      );
  }

  async unwatch(gatewayId: string, userIds: readonly string[]): Promise<void> {
    if (userIds.length > 0)
      await this.connection.pipeline(userIds.map((userId) => ['zrem', this.key('watch', userId), gatewayId]));
  }

  async watchers(userIds: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const [time, ...answers] = await this.connection.pipeline([
      ['time'],
      ...userIds.map((userId) => ['zrange', this.key('watch', userId), 0, -1, 'WITHSCORES']),
    ]);
    const at = milliseconds(time);
    const watchers = new Map<string, readonly string[]>();
    userIds.forEach((userId, i) => {
      const entries = answers[i] as string[];
      const gateways = entries.filter((_, n) => n % 2 === 0 && Number(entries[n + 1]) > at);
      if (gateways.length > 0) watchers.set(userId, gateways);
    });
    return watchers;
  }

  close(): Promise<void> {
    return this.connection.close();
  }

  /**
   * Changes each record that nobody else has changed since it was read. Adds the results to `updated`; returns the
   * users that must be tried again.
   */
  private async tryUpdate(
    userIds: readonly string[],
    change: RecordUpdate,
    updated: Map<string, PresenceRecord>,
  ): Promise<string[]> {
    const { at, stored } = await this.fetch(userIds);
    const changed: { userId: string; before: string; record: PresenceRecord }[] = [];
    for (const [userId, { text, record }] of stored) {
      const next = change(record, at, userId);
      updated.set(userId, next);
      if (next !== record) changed.push({ userId, before: text, record: next });
    }
    if (changed.length === 0) return [];
    const replaced = await this.connection.pipeline(
      changed.map(({ userId, before, record }) => [
        'eval',
        replace,
        2,
        this.key('user', userId),
        this.name(bucketOf(userId), 'due'),
        before,
        JSON.stringify(record),
        userId,
        dueAt(record) ?? '',
      ]),
    );
    return changed.flatMap(({ userId }, i) => (replaced[i] === 1 ? [] : [userId]));
  }

  private async fetch(userIds: readonly string[]): Promise<{ at: number; stored: Map<string, Stored>; lost: boolean }> {
    const [generation, ...texts] = await this.connection.pipeline([
      this.generation.command(),
      ...userIds.map((userId) => ['get', this.key('user', userId)]),
    ]);
    const stored = new Map(userIds.map((userId, i) => [userId, storedFrom(texts[i] as string | null)]));
    return { at: this.generation.now(generation), stored, lost: this.generation.isLost(generation) };
  }

  private key(kind: 'user' | 'watch', userId: string): string {
    return `${this.name(bucketOf(userId), kind)}:${userId}`;
  }

  private name(bucket: number, kind: string): string {
    return `${this.connection.prefix}presence:{${bucket}}:${kind}`;
  }
}

const bucketOf = (userId: string): number => Number.parseInt(userId.slice(-2), 16) % BUCKETS;
const storedFrom = (text: string | null): Stored =>
  text === null ? { text: '', record: emptyRecord } : { text, record: JSON.parse(text) as PresenceRecord };
const milliseconds = (time: unknown): number => {
  const [seconds, micros] = time as [string, string];
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
};
function* chunksOf<T>(items: readonly T[], size: number): Iterable<readonly T[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}

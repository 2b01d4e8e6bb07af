import { limits, times } from '@parley/contracts';
import { Batcher } from '@parley/service-kit';
import { RedisConnection, RedisGeneration, type RedisOptions } from './redis-connection.js';

/** One live connection: a socket of a user at a gateway. `connectionId` is a UUIDv7, so the smallest is the oldest. */
export interface RegistryEntry {
  readonly connectionId: string;
  readonly userId: string;
  readonly gatewayId: string;
}

/** Where users were connected when they were looked up. */
export class UserLocations {
  /** The locations from a registry that did not answer in time. */
  static readonly unknown = new UserLocations(new Map(), false);

  /**
   * @param complete False if the registry lost data recently or did not answer, so it may not know everybody; a push
   * must then go to all gateways.
   */
  constructor(
    private readonly gatewaysByUser: ReadonlyMap<string, readonly string[]>,
    readonly complete: boolean,
  ) {}

  /** Whether a located user has a live connection; undefined if unknown. */
  online(userId: string): boolean | undefined {
    if (this.gatewaysByUser.has(userId)) return true;
    return this.complete ? false : undefined;
  }

  /** For each gateway that holds connections of some of these users, those users. */
  gateways(userIds: readonly string[]): Map<string, string[]> {
    const gateways = new Map<string, string[]>();
    for (const userId of userIds) {
      for (const gatewayId of this.gatewaysByUser.get(userId) ?? []) {
        const users = gateways.get(gatewayId);
        if (users) users.push(userId);
        else gateways.set(gatewayId, [userId]);
      }
    }
    return gateways;
  }
}

/**
 * Where users are connected; a class, so that Nest injects it by type. Entries are leases: they end `times.leaseMs`
 * after their gateway last renewed them. Two implementations, Redis and in-memory, pass one conformance suite. Every
 * call rejects with `Unavailable` within its time limit (default 500 ms) when Redis is unavailable.
 */
export abstract class Registry {
  /**
   * Adds a connection: every `locate` that begins after this has resolved finds it. Returns the user's oldest
   * connections beyond `socketsPerUser`, which the caller must close.
   */
  abstract add(connection: RegistryEntry): Promise<{ excess: readonly RegistryEntry[] }>;
  abstract remove(connection: RegistryEntry): Promise<void>;
  /**
   * Renews leases and restores entries that the registry lost. Returns connections that a complete `locate` may have
   * left out for a while, because their lease had ended (the gateway was frozen or cut off): pushes may have missed
   * them, so their clients must catch up.
   */
  abstract renew(connections: readonly RegistryEntry[]): Promise<{ lapsed: readonly RegistryEntry[] }>;
  /** Looks up any number of users in one round trip. */
  abstract locate(userIds: readonly string[]): Promise<UserLocations>;
  /** undefined while the registry answers, otherwise the problem, for operators. */
  abstract readonly problem: string | undefined;
  abstract close(): Promise<void>;
}

/** The settings of a {@link Registry}. Defaults: `times.leaseMs` and `limits.socketsPerUser`. */
export interface RegistryOptions {
  /** Lifetime of an entry without renewal, in milliseconds. */
  readonly leaseMs?: number;
  readonly socketsPerUser?: number;
}

/** Orders connections of a user by their age, the oldest first. */
const byAge = (a: RegistryEntry, b: RegistryEntry): number => (a.connectionId < b.connectionId ? -1 : 1);

interface Lease {
  readonly connection: RegistryEntry;
  until: number;
}

/** The registry of a single process. It ends with the connections that it knows, so it is always complete. */
export function createMemoryRegistry({
  leaseMs = times.leaseMs,
  socketsPerUser = limits.socketsPerUser,
}: RegistryOptions = {}): Registry {
  return new MemoryRegistry(leaseMs, socketsPerUser);
}

class MemoryRegistry implements Registry {
  readonly problem = undefined;
  private readonly users = new Map<string, Map<string, Lease>>();
  private readonly sweeper: NodeJS.Timeout;

  constructor(
    private readonly leaseMs: number,
    private readonly socketsPerUser: number,
  ) {
    this.sweeper = setInterval(() => this.sweep(), leaseMs).unref();
  }

  add(connection: RegistryEntry): Promise<{ excess: readonly RegistryEntry[] }> {
    this.lease(connection);
    const live = [...this.live(connection.userId)].map((lease) => lease.connection);
    const beyond = Math.max(0, live.length - this.socketsPerUser);
    return Promise.resolve({ excess: beyond === 0 ? [] : live.toSorted(byAge).slice(0, beyond) });
  }

  remove({ userId, connectionId }: RegistryEntry): Promise<void> {
    const leases = this.users.get(userId);
    if (leases?.delete(connectionId) && leases.size === 0) this.users.delete(userId);
    return Promise.resolve();
  }

  renew(connections: readonly RegistryEntry[]): Promise<{ lapsed: readonly RegistryEntry[] }> {
    return Promise.resolve({ lapsed: connections.filter((connection) => this.lease(connection)) });
  }

  locate(userIds: readonly string[]): Promise<UserLocations> {
    const gatewaysByUser = new Map<string, readonly string[]>();
    for (const userId of userIds) {
      const gateways = new Set([...this.live(userId)].map(({ connection }) => connection.gatewayId));
      if (gateways.size > 0) gatewaysByUser.set(userId, [...gateways]);
    }
    return Promise.resolve(new UserLocations(gatewaysByUser, true));
  }

  close(): Promise<void> {
    clearInterval(this.sweeper);
    return Promise.resolve();
  }

  /** Begins or renews a lease. Returns whether the old one had ended. */
  private lease(connection: RegistryEntry): boolean {
    const now = performance.now();
    const leases = this.users.get(connection.userId) ?? new Map<string, Lease>();
    this.users.set(connection.userId, leases);
    const known = leases.get(connection.connectionId);
    const lapsed = !known || known.until <= now;
    leases.set(connection.connectionId, { connection, until: now + this.leaseMs });
    return lapsed;
  }

  private *live(userId: string): Iterable<Lease> {
    const now = performance.now();
    for (const lease of this.users.get(userId)?.values() ?? []) if (lease.until > now) yield lease;
  }

  private sweep(): void {
    const now = performance.now();
    for (const [userId, leases] of this.users) {
      for (const [connectionId, { until }] of leases) if (until <= now) leases.delete(connectionId);
      if (leases.size === 0) this.users.delete(userId);
    }
  }
}

/**
 * The registry in Redis. One sorted set per user, `<prefix>at:{<userId>}`: member `<gatewayId> <connectionId>`, score
 * the end of its lease in milliseconds on the clock of Redis, the only one that counts. No command touches two users'
 * keys, so they may live on different nodes.
 *
 * After Redis lost data, or may have lost some, the registry is incomplete until every gateway has had the time to
 * renew (`settleMs`): see {@link RedisGeneration}.
 */
export async function createRedisRegistry(
  options: RedisOptions & RegistryOptions & { settleMs?: number },
): Promise<Registry> {
  return new RedisRegistry(await RedisConnection.connect(options), options);
}

const NOW = "local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000)";
const ADD = `${NOW}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
if redis.call('ZCARD', KEYS[1]) > tonumber(ARGV[2]) then return redis.call('ZRANGE', KEYS[1], 0, -1) end
return {}`;
const RENEW = `${NOW}
local lapsed = {}
for i = 2, #ARGV do
  local till = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if not till or tonumber(till) <= now then table.insert(lapsed, ARGV[i]) end
  redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[i])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return lapsed`;

class RedisRegistry implements Registry {
  private readonly leaseMs: number;
  private readonly socketsPerUser: number;
  private readonly generation: RedisGeneration;
  private readonly lookups = new Batcher<readonly string[], UserLocations>({
    flush: async (lookups) => {
      const locations = await this.lookUp([...new Set(lookups.flat())]);
      return lookups.map(() => locations);
    },
  });

  constructor(
    private readonly connection: RedisConnection,
    options: RegistryOptions & { settleMs?: number },
  ) {
    this.leaseMs = options.leaseMs ?? times.leaseMs;
    this.socketsPerUser = options.socketsPerUser ?? limits.socketsPerUser;
    this.generation = new RedisGeneration(connection, 'at:born', options.settleMs);
  }

  get problem(): string | undefined {
    return this.connection.problem;
  }

  async add(connection: RegistryEntry): Promise<{ excess: readonly RegistryEntry[] }> {
    const { userId } = connection;
    const members = (await this.connection.call((redis) =>
      redis.eval(ADD, 1, this.key(userId), this.leaseMs, this.socketsPerUser, memberOf(connection)),
    )) as string[];
    const oldestFirst = members.map((member) => connectionOf(userId, member)).toSorted(byAge);
    return { excess: oldestFirst.slice(0, Math.max(0, oldestFirst.length - this.socketsPerUser)) };
  }

  async remove(connection: RegistryEntry): Promise<void> {
    await this.connection.call((redis) => redis.zrem(this.key(connection.userId), memberOf(connection)));
  }

  async renew(connections: readonly RegistryEntry[]): Promise<{ lapsed: readonly RegistryEntry[] }> {
    const users = [...Map.groupBy(connections, ({ userId }) => userId)];
    const commands = users.map(([userId, theirs]) => [
      'eval',
      RENEW,
      1,
      this.key(userId),
      this.leaseMs,
      ...theirs.map(memberOf),
    ]);
    const [generation, ...lapsed] = await this.connection.pipeline([this.generation.command(), ...commands]);
    // Connections that are restored after a loss missed nothing: pushes went to all gateways meanwhile.
    if (!this.generation.isSettled(generation)) return { lapsed: [] };
    return {
      lapsed: users.flatMap(([userId], at) => (lapsed[at] as string[]).map((member) => connectionOf(userId, member))),
    };
  }

  /** Calls of the same turn of the event loop share one round trip, and the answer about all of their users. */
  locate(userIds: readonly string[]): Promise<UserLocations> {
    return this.lookups.add(userIds);
  }

  close(): Promise<void> {
    return this.connection.close();
  }

  private async lookUp(userIds: readonly string[]): Promise<UserLocations> {
    const [generation, ...answers] = await this.connection.exec([
      this.generation.command(),
      ...userIds.map((userId) => ['zrange', this.key(userId), 0, -1, 'WITHSCORES']),
    ]);
    const now = this.generation.now(generation);
    const gatewaysByUser = new Map<string, readonly string[]>();
    for (const [at, userId] of userIds.entries()) {
      const gateways = liveGateways(answers[at] as string[], now);
      if (gateways.length > 0) gatewaysByUser.set(userId, gateways);
    }
    return new UserLocations(gatewaysByUser, this.generation.isSettled(generation));
  }

  private key(userId: string): string {
    return `${this.connection.prefix}at:{${userId}}`;
  }
}

/** The gateways among `member, score, member, score …` whose leases have not ended at `now`, each once. */
function liveGateways(entries: readonly string[], now: number): string[] {
  const gateways: string[] = [];
  for (let i = 0; i < entries.length; i += 2) {
    if (Number(entries[i + 1]) <= now) continue;
    const gatewayId = gatewayOf(entries[i]!);
    if (!gateways.includes(gatewayId)) gateways.push(gatewayId);
  }
  return gateways;
}

const memberOf = ({ gatewayId, connectionId }: RegistryEntry): string => `${gatewayId} ${connectionId}`;
const gatewayOf = (member: string): string => member.slice(0, member.lastIndexOf(' '));
const connectionOf = (userId: string, member: string): RegistryEntry => ({
  userId,
  gatewayId: gatewayOf(member),
  connectionId: member.slice(member.lastIndexOf(' ') + 1),
});

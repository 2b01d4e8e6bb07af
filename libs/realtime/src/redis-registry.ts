import { limits, times } from '@parley/contracts';
import { Batcher } from '@parley/service-kit';
import { RedisConnection, RedisGeneration, type RedisOptions } from './redis-connection.js';
import { byAge, UserLocations, type RegistryEntry, type Registry, type RegistryOptions } from './registry.js';

/**
 * The registry in Redis. One sorted set per user, `<prefix>at:{<userId>}`: member `<gatewayId> <connectionId>`, score the end of its lease in
 * milliseconds on the clock of Redis, the only one that counts. No command touches two users' keys, so they may live on different nodes.
 *
 * After Redis lost data, or may have lost some, the registry is incomplete until every gateway has had the time to renew (`settleMs`): see {@link RedisGeneration}.
 */
export async function createRedisRegistry(
  options: RedisOptions & RegistryOptions & { settleMs?: number },
): Promise<Registry> {
  return new RedisRegistry(await RedisConnection.connect(options), options);
}

const now = "local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000)";
const add = `${now}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
if redis.call('ZCARD', KEYS[1]) > tonumber(ARGV[2]) then return redis.call('ZRANGE', KEYS[1], 0, -1) end
return {}`;
const renew = `${now}
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
      redis.eval(add, 1, this.key(userId), this.leaseMs, this.socketsPerUser, memberOf(connection)),
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
      renew,
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

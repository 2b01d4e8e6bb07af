import { limits, times } from '@parley/contracts';
import { Birth } from './birth.js';
import { byAge } from './memory-registry.js';
import { RedisLink, type RedisOptions } from './redis-link.js';
import { Located, type Connection, type Registry, type RegistryOptions } from './registry.js';

/**
 * The registry in Redis. One sorted set per user, `<prefix>at:{<userId>}`: member `<gatewayId> <connectionId>`, score the end of its lease in
 * milliseconds on the clock of Redis, the only one that counts. No command touches two users' keys, so they may live on different nodes.
 *
 * After Redis lost data, or may have, the registry is incomplete until every gateway has had the time to renew (`settleMs`): see {@link Birth}.
 */
export async function createRedisRegistry(
  options: RedisOptions & RegistryOptions & { settleMs?: number },
): Promise<Registry> {
  return new RedisRegistry(await RedisLink.connect(options), options);
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

interface Waiting {
  readonly userIds: Set<string>;
  readonly located: Promise<Located>;
}

class RedisRegistry implements Registry {
  private readonly leaseMs: number;
  private readonly socketsPerUser: number;
  private readonly birth: Birth;
  private waiting: Waiting | undefined;

  constructor(
    private readonly link: RedisLink,
    options: RegistryOptions & { settleMs?: number },
  ) {
    this.leaseMs = options.leaseMs ?? times.leaseMs;
    this.socketsPerUser = options.socketsPerUser ?? limits.socketsPerUser;
    this.birth = new Birth(link, 'at:born', options.settleMs);
  }

  get problem(): string | undefined {
    return this.link.problem;
  }

  async add(connection: Connection): Promise<{ excess: readonly Connection[] }> {
    const { userId } = connection;
    const members = (await this.link.call((redis) =>
      redis.eval(add, 1, this.key(userId), this.leaseMs, this.socketsPerUser, memberOf(connection)),
    )) as string[];
    const oldestFirst = members.map((member) => connectionOf(userId, member)).toSorted(byAge);
    return { excess: oldestFirst.slice(0, Math.max(0, oldestFirst.length - this.socketsPerUser)) };
  }

  async remove(connection: Connection): Promise<void> {
    await this.link.call((redis) => redis.zrem(this.key(connection.userId), memberOf(connection)));
  }

  async renew(connections: readonly Connection[]): Promise<{ lapsed: readonly Connection[] }> {
    const users = [...Map.groupBy(connections, ({ userId }) => userId)];
    const commands = users.map(([userId, theirs]) => [
      'eval',
      renew,
      1,
      this.key(userId),
      this.leaseMs,
      ...theirs.map(memberOf),
    ]);
    const [birth, ...lapsed] = await this.link.pipeline([this.birth.command(), ...commands]);
    // What is restored after a loss missed nothing: pushes went to all gateways meanwhile.
    if (!this.birth.settled(birth)) return { lapsed: [] };
    return {
      lapsed: users.flatMap(([userId], at) => (lapsed[at] as string[]).map((member) => connectionOf(userId, member))),
    };
  }

  /** Those who ask in the same turn of the event loop share one round trip, and each user's look-up. */
  locate(userIds: readonly string[]): Promise<Located> {
    if (!this.waiting) {
      const asked = new Set<string>();
      this.waiting = { userIds: asked, located: Promise.resolve().then(() => this.fetch(asked)) };
    }
    for (const userId of userIds) this.waiting.userIds.add(userId);
    return this.waiting.located;
  }

  close(): Promise<void> {
    return this.link.close();
  }

  private async fetch(asked: ReadonlySet<string>): Promise<Located> {
    this.waiting = undefined;
    const userIds = [...asked];
    const [birth, ...answers] = await this.link.pipeline([
      this.birth.command(),
      ...userIds.map((userId) => ['zrange', this.key(userId), 0, -1, 'WITHSCORES']),
    ]);
    const at = this.birth.now(birth);
    const gatewaysOf = new Map<string, readonly string[]>();
    for (let i = 0; i < userIds.length; i++) {
      const gateways = liveGateways(answers[i] as string[], at);
      if (gateways.length > 0) gatewaysOf.set(userIds[i]!, gateways);
    }
    return new Located(gatewaysOf, this.birth.settled(birth));
  }

  private key(userId: string): string {
    return `${this.link.prefix}at:{${userId}}`;
  }
}

/** The different gateways among `member, score, member, score …` whose leases have not ended at `now`. */
function liveGateways(entries: readonly string[], at: number): string[] {
  const gateways: string[] = [];
  for (let i = 0; i < entries.length; i += 2) {
    if (Number(entries[i + 1]) <= at) continue;
    const gatewayId = gatewayOf(entries[i]!);
    if (!gateways.includes(gatewayId)) gateways.push(gatewayId);
  }
  return gateways;
}

const memberOf = ({ gatewayId, connectionId }: Connection): string => `${gatewayId} ${connectionId}`;
const gatewayOf = (member: string): string => member.slice(0, member.lastIndexOf(' '));
const connectionOf = (userId: string, member: string): Connection => ({
  userId,
  gatewayId: gatewayOf(member),
  connectionId: member.slice(member.lastIndexOf(' ') + 1),
});

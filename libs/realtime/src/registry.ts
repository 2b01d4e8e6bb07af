/** One live connection: a socket of a user at a gateway. `connectionId` is a UUIDv7, so the smallest is the oldest. */
export interface RegistryEntry {
  readonly connectionId: string;
  readonly userId: string;
  readonly gatewayId: string;
}

/** Where users were connected when they were looked up. */
export class UserLocations {
  /** Of a registry that did not answer in time. */
  static readonly unknown = new UserLocations(new Map(), false);

  /** @param complete False: the registry lost data lately, or did not answer, and may not know everybody; a push must then go to all gateways. */
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
 * Where users are connected; a class, so that Nest injects it by type. Entries are leases: they end `times.leaseMs` after their gateway last renewed them. Two implementations, Redis and in-memory, pass one
 * conformance suite. Every call rejects with `Unavailable` within its time limit (default 500 ms) when Redis is unavailable.
 */
export abstract class Registry {
  /** Adds a connection: every `locate` that begins after this has resolved finds it. Returns the user's oldest connections beyond `limits.socketsPerUser`, which the caller must close. */
  abstract add(connection: RegistryEntry): Promise<{ excess: readonly RegistryEntry[] }>;
  abstract remove(connection: RegistryEntry): Promise<void>;
  /**
   * Renews leases and restores entries that the registry lost. Returns connections that a complete `locate` may have left out for a while, because their lease had ended (the gateway was frozen or cut off):
   * pushes may have missed them, so their clients must catch up.
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
export const byAge = (a: RegistryEntry, b: RegistryEntry): number => (a.connectionId < b.connectionId ? -1 : 1);

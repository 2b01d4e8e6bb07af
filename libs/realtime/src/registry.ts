/** One live connection: a socket of a user at a gateway. `connectionId` is a UUIDv7, so the smallest is the oldest. */
export interface Connection {
  readonly connectionId: string;
  readonly userId: string;
  readonly gatewayId: string;
}

/** Where the users that were asked for are connected. */
export class Located {
  constructor(
    private readonly gatewaysOf: ReadonlyMap<string, readonly string[]>,
    /** False: the registry lost its data lately and may not know everybody yet; a push must go to all gateways. */
    readonly complete: boolean,
  ) {}

  has(userId: string): boolean {
    return this.gatewaysOf.has(userId);
  }

  /** For each gateway that holds connections of some of these users: of which of them. */
  gateways(userIds: readonly string[]): Map<string, string[]> {
    const gateways = new Map<string, string[]>();
    for (const userId of userIds) {
      for (const gatewayId of this.gatewaysOf.get(userId) ?? []) {
        const users = gateways.get(gatewayId);
        if (users) users.push(userId);
        else gateways.set(gatewayId, [userId]);
      }
    }
    return gateways;
  }
}

/**
 * Who is connected where. Entries are leases: they end by themselves `times.leaseMs` after their gateway last renewed them.
 * Two implementations: Redis and in-memory; one conformance suite. Every call rejects with `Unavailable` within its time limit (default 500 ms) when Redis is away.
 */
export abstract class Registry {
  /** Adds a connection. Once resolved, every `locate` that starts later finds it. Answers the user's oldest connections beyond `limits.socketsPerUser`, to be closed. */
  abstract add(connection: Connection): Promise<{ excess: readonly Connection[] }>;
  abstract remove(connection: Connection): Promise<void>;
  /**
   * Renews leases, and restores entries that the registry lost. Answers those that `locate` may have left out for a while although it called itself complete
   * (their leases had ended, because the gateway was frozen or cut off): pushes may have missed them, so their clients have to catch up.
   */
  abstract renew(connections: readonly Connection[]): Promise<{ lapsed: readonly Connection[] }>;
  /** One round trip, whatever the number of users. */
  abstract locate(userIds: readonly string[]): Promise<Located>;
  /** undefined while the registry answers, otherwise what is wrong, for people. */
  abstract readonly problem: string | undefined;
  abstract close(): Promise<void>;
}

export interface RegistryOptions {
  readonly leaseMs?: number;
  readonly socketsPerUser?: number;
}

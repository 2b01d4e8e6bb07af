/** One live connection: a socket of a user at a gateway. `connectionId` is a UUIDv7, so the smallest is the oldest. */
export interface Connection {
  readonly connectionId: string;
  readonly userId: string;
  readonly gatewayId: string;
}

/** Where users are connected. */
export interface Located {
  /** For each gateway that holds connections of the users asked for: which of them. */
  readonly gateways: ReadonlyMap<string, readonly string[]>;
  /** The registry lost its data lately (or does not answer) and may not know everybody yet: a push must go to all gateways. */
  readonly complete: boolean;
}

/**
 * Who is connected where. Entries are leases: they end by themselves `times.leaseMs` after their gateway last renewed them.
 * Two implementations: Redis and in-memory; one conformance suite. Every call rejects with `Unavailable` within its time limit (default 500 ms) when Redis is away.
 */
export interface Registry {
  /** Adds a connection. Once resolved, every `locate` that starts later finds it. Answers the user's oldest connections beyond `times`' `socketsPerUser`, to be closed. */
  add(connection: Connection): Promise<{ excess: readonly Connection[] }>;
  remove(connection: Connection): Promise<void>;
  /** Renews leases, and restores entries that the registry lost. */
  renew(connections: readonly Connection[]): Promise<void>;
  /** One round trip, whatever the number of users. */
  locate(userIds: readonly string[]): Promise<Located>;
  readonly problem: string | undefined;
  close(): Promise<void>;
}

import { limits, times } from '@parley/contracts';
import { byAge, UserLocations, type RegistryEntry, type Registry, type RegistryOptions } from './registry.js';

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

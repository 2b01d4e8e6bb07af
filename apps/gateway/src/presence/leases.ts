import { Injectable } from '@nestjs/common';
import { Broker } from '@parley/broker';
import { times, type DomainEvent } from '@parley/contracts';
import { Registry } from '@parley/realtime';
import type { LocalConnection } from '../connections/connection.js';
import { Connections } from '../connections/connections.js';

const CHUNK = 500;
type Renewal = DomainEvent<'connections.renewed.v1'>['connections'][number];

/** Tells the registry and presence at intervals which connections live here and when each client last sent a heartbeat. */
@Injectable()
export class Leases {
  constructor(
    private readonly broker: Broker,
    private readonly registry: Registry,
    private readonly connections: Connections,
  ) {}

  /** Renews all leases, with the registry and with presence. Tries every one, then rejects with the first failure. */
  async renew(): Promise<void> {
    const connections = this.connections.renewable;
    let failure: unknown;
    for (let at = 0; at < connections.length; at += CHUNK) {
      const chunk = connections.slice(at, at + CHUNK);
      const results = await Promise.allSettled([this.renewInRegistry(chunk), this.publish(chunk)]);
      for (const result of results) if (result.status === 'rejected') failure ??= result.reason;
    }
    if (failure !== undefined) throw failure;
  }

  /** Connections whose lease had ended may have missed pushes; their clients reconnect and sync. */
  private async renewInRegistry(connections: readonly LocalConnection[]): Promise<void> {
    const entries = connections.map((connection) => this.connections.registryEntry(connection));
    const { lapsed } = await this.registry.renew(entries);
    // The renewal may have restored entries of connections that have ended meanwhile.
    const ended = entries.filter(({ connectionId }) => !this.connections.find(connectionId));
    await Promise.all(ended.map((entry) => this.registry.remove(entry)));
    if (lapsed.length > 0) this.connections.reconnect(lapsed.map(({ connectionId }) => connectionId));
  }

  /**
   * Takes a client's heartbeat. Reports it to presence at once if it changes the user's state, otherwise with the next
   * renewal.
   */
  heartbeat(connection: LocalConnection, state: LocalConnection['state']): void {
    const now = Date.now();
    const wasSilent = now - connection.lastHeartbeatAt >= 3 * times.heartbeatMs;
    const changesState = state !== undefined && state !== connection.state;
    connection.lastHeartbeatAt = now;
    connection.state = state ?? connection.state;
    if (wasSilent || changesState) void this.publish([connection]).catch(() => undefined);
  }

  private publish(connections: readonly LocalConnection[]): Promise<void> {
    return this.broker.publish('connections.renewed.v1', {
      gatewayId: this.broker.instance,
      at: Date.now(),
      connections: connections.map(renewalOf),
    });
  }
}

const renewalOf = ({ id, userId, lastHeartbeatAt, state }: LocalConnection): Renewal => ({
  connectionId: id,
  userId,
  beatAt: lastHeartbeatAt,
  ...(state && { state }),
});

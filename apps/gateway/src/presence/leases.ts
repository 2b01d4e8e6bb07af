import { Inject, Injectable } from '@nestjs/common';
import { times, type DomainEvent } from '@parley/contracts';
import type { LocalConnection } from '../connections/connection.js';
import { Connections } from '../connections/connections.js';
import { PARTS, type GatewayParts } from '../parts.js';

const CHUNK = 500;
type Renewed = DomainEvent<'connections.renewed.v1'>['connections'][number];

/** Tells the registry and presence, again and again, which connections live here and when their clients last gave a sign. */
@Injectable()
export class Leases {
  constructor(
    @Inject(PARTS) private readonly parts: GatewayParts,
    @Inject(Connections) private readonly connections: Connections,
  ) {}

  /** Renews all; the registry and presence each as far as they can be reached. Rejects when one of them could not. */
  async renew(): Promise<void> {
    const all = this.connections.settled;
    let failure: unknown;
    for (let at = 0; at < all.length; at += CHUNK) {
      const chunk = all.slice(at, at + CHUNK);
      const outcomes = await Promise.allSettled([this.renewLeases(chunk), this.publish(chunk)]);
      for (const outcome of outcomes) if (outcome.status === 'rejected') failure ??= outcome.reason;
    }
    if (failure !== undefined) throw failure;
  }

  /** Those whose lease had lapsed were not found by pushes for a while: they must not keep a silent hole. */
  private async renewLeases(connections: readonly LocalConnection[]): Promise<void> {
    const { registry } = this.parts;
    const { lapsed } = await registry.renew(connections.map((connection) => this.connections.entry(connection)));
    // One that ended meanwhile may have been entered again after it was removed.
    const ended = connections.filter(({ id }) => !this.connections.find(id));
    await Promise.all(ended.map((connection) => registry.remove(this.connections.entry(connection))));
    if (lapsed.length > 0) this.connections.reconnect(lapsed.map(({ connectionId }) => connectionId));
  }

  /** A heartbeat of a client. What it changes is told at once; that it still beats, with the next renewal. */
  beat(connection: LocalConnection, state: LocalConnection['state']): void {
    const now = Date.now();
    const back = now - connection.beatAt >= 3 * times.heartbeatMs;
    const news = state !== undefined && state !== connection.state;
    connection.beatAt = now;
    connection.state = state ?? connection.state;
    if (back || news) void this.publish([connection]).catch(() => undefined);
  }

  private publish(connections: readonly LocalConnection[]): Promise<void> {
    const { broker } = this.parts;
    return broker.publish('connections.renewed.v1', {
      gatewayId: broker.instance,
      at: Date.now(),
      connections: connections.map(renewed),
    });
  }
}

const renewed = ({ id, userId, beatAt, state }: LocalConnection): Renewed => ({
  connectionId: id,
  userId,
  beatAt,
  ...(state && { state }),
});

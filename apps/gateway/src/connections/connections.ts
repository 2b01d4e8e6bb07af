import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { ChatError, type RevocationReason } from '@parley/contracts';
import { without } from '@parley/faults';
import type { Connection } from '@parley/realtime';
import type { Server, Socket } from 'socket.io';
import type { Session } from '../calls/client.js';
import { LocalConnection } from './connection.js';
import { Metrics } from '../metrics.js';
import { PARTS, type GatewayParts } from '../parts.js';
import { Revocations } from '../auth/revocations.js';
import { Typing } from '../presence/typing.js';
import { Watches } from '../presence/presence-subscriptions.js';
import { Welcome } from './session-ready.js';

export const userRoom = (userId: string) => `user:${userId}`;
const sessionRoom = (sessionId: string) => `session:${sessionId}`;

const STEP_MS = 100;
const LEAST_PER_STEP = 20;

/** The live sockets of this gateway, and all ways in which one begins and ends. */
@Injectable()
export class Connections {
  private readonly live = new Map<string, LocalConnection>();
  private readonly farewells = new Set<Promise<void>>();
  private server: Server | undefined;
  private stopping = false;

  constructor(
    @Inject(PARTS) private readonly parts: GatewayParts,
    @Inject(Welcome) private readonly welcome: Welcome,
    @Inject(Revocations) private readonly revocations: Revocations,
    @Inject(Watches) private readonly watches: Watches,
    @Inject(Typing) private readonly typing: Typing,
    @Inject(Metrics) private readonly metrics: Metrics,
  ) {}

  attach(server: Server): void {
    this.server = server;
    this.watches.attach(server);
  }

  /** Those that are in the registry already. */
  get settled(): LocalConnection[] {
    return [...this.live.values()].filter(({ settled }) => settled);
  }

  get all(): LocalConnection[] {
    return [...this.live.values()];
  }

  /** No new connection is let in from now on. */
  get closed(): boolean {
    return this.stopping;
  }

  /** Whose connections are in the rooms, and which; read while it is gone through. */
  *inRooms(rooms: readonly string[]): Iterable<{ readonly userId: string; readonly connectionId: string }> {
    const { adapter, sockets } = this.server!.of('/');
    for (const room of rooms) {
      for (const id of adapter.rooms.get(room) ?? []) {
        const connection = (sockets.get(id)?.data as { connection?: LocalConnection } | undefined)?.connection;
        if (connection) yield { userId: connection.userId, connectionId: connection.id };
      }
    }
  }

  find(connectionId: string): LocalConnection | undefined {
    return this.live.get(connectionId);
  }

  /** Takes a socket whose session was verified. Its calls wait until `session:ready` is sent. Throws nothing. */
  open(socket: Socket, session: Session, address: string): LocalConnection {
    const connection = new LocalConnection(socket, session, address, this.parts.config.USER_LIMIT_SCALE, () =>
      this.metrics.closed.inc({ reason: 'slow' }),
    );
    this.live.set(connection.id, connection);
    this.metrics.connections.set(this.live.size);
    this.metrics.opened.inc();
    void socket.join([userRoom(session.userId), sessionRoom(session.sessionId)]);
    // It may have been revoked between the check of its token and the join.
    if (this.revocations.has(session.sessionId)) this.end(connection, 'ended');
    else void connection.opening(this.introduce(connection));
    return connection;
  }

  /** In the registry and in its rooms before `session:ready` goes out: from there on it misses nothing. */
  private async introduce(connection: LocalConnection): Promise<void> {
    const { broker, logger } = this.parts;
    void broker
      .publish('connection.opened.v1', { ...this.entry(connection), at: connection.beatAt })
      .catch(() => undefined);
    const added = this.register(connection);
    try {
      const ready = await this.welcome.compose(connection);
      await added;
      connection.socket.emit('session:ready', ready);
    } catch (error) {
      await added;
      if (error instanceof ChatError && error.code === 'unauthenticated') return this.end(connection, 'ended');
      logger.warn(
        { connectionId: connection.id, reason: error instanceof Error ? error.message : String(error) },
        'a connection could not be made ready',
      );
      // Its client tries again by itself.
      void connection.leave(0);
    }
  }

  /** Without the registry a connection goes on: pushes go to all gateways then, and the next renewal enters it. */
  private async register(connection: LocalConnection): Promise<void> {
    try {
      const { excess } = await this.parts.registry.add(this.entry(connection));
      for (const one of excess) this.endAnywhere(one);
    } catch (error) {
      this.parts.logger.warn(
        { connectionId: connection.id, reason: error instanceof Error ? error.message : String(error) },
        'the registry did not take a connection; the next renewal will',
      );
    }
  }

  entry({ id, userId }: LocalConnection): Connection {
    return { connectionId: id, userId, gatewayId: this.parts.broker.instance };
  }

  private endAnywhere({ connectionId, gatewayId }: Connection): void {
    const local = this.live.get(connectionId);
    if (local) return this.end(local, 'too_many');
    if (gatewayId === this.parts.broker.instance) return;
    void this.parts.broker
      .push(gatewayId, { kind: 'close', connectionId, reason: 'too_many' })
      .catch((error: unknown) => {
        this.parts.logger.warn({ connectionId, err: error }, 'a connection too many could not be closed');
      });
  }

  /** Ends a connection for good: its client is told why, and does not come back by itself. */
  end(connection: LocalConnection, reason: RevocationReason): void {
    this.metrics.closed.inc({ reason });
    connection.socket.emit('session:revoked', { reason });
    connection.socket.disconnect(true);
  }

  /** Ends all connections of these sessions. */
  endSessions(sessionIds: readonly string[], reason: RevocationReason): void {
    if (without('revocation-fan-out')) return;
    for (const sessionId of sessionIds) {
      const here = this.server?.of('/').adapter.rooms.get(sessionRoom(sessionId))?.size ?? 0;
      if (here > 0) this.metrics.closed.inc({ reason }, here);
      this.server?.to(sessionRoom(sessionId)).emit('session:revoked', { reason });
      this.server?.in(sessionRoom(sessionId)).disconnectSockets(true);
    }
  }

  /** A socket has gone: says so to presence and the registry. */
  gone(connection: LocalConnection): void {
    if (!this.live.delete(connection.id)) return;
    this.metrics.connections.set(this.live.size);
    if (this.stopping) this.watches.forget(connection);
    else this.watches.drop(connection);
    this.typing.drop(connection);
    const farewell = this.farewell(connection).finally(() => this.farewells.delete(farewell));
    this.farewells.add(farewell);
  }

  private async farewell(connection: LocalConnection): Promise<void> {
    const { broker, registry, logger } = this.parts;
    const published = broker.publish('connection.closed.v1', { ...this.entry(connection), at: Date.now() });
    // Removing must come after adding, or the entry stays until its lease ends.
    const removed = connection.opened.then(() => registry.remove(this.entry(connection)));
    for (const result of await Promise.allSettled([published, removed])) {
      if (result.status === 'rejected')
        logger.warn(
          { connectionId: connection.id, reason: String(result.reason) },
          'a closed connection was not reported; its lease will end',
        );
    }
  }

  /**
   * Makes clients (all that are here) connect anew, here or elsewhere: closes their transports, which they answer by reconnecting, in batches spread over
   * `spreadMs`; each after the calls under way were answered, which after `patienceMs` is with `unavailable`.
   */
  async scatter(
    spreadMs: number,
    patienceMs: number,
    connections: readonly LocalConnection[] = this.all,
  ): Promise<void> {
    if (connections.length > 0) this.metrics.closed.inc({ reason: 'sent_elsewhere' }, connections.length);
    const size = Math.max(LEAST_PER_STEP, Math.ceil((connections.length * STEP_MS) / Math.max(STEP_MS, spreadMs)));
    const closing: Promise<void>[] = [];
    for (let at = 0; at < connections.length; at += size) {
      if (at > 0) await delay(STEP_MS * (0.5 + Math.random()));
      closing.push(...connections.slice(at, at + size).map((connection) => connection.leave(patienceMs)));
    }
    await Promise.all(closing);
  }

  /** Makes these clients connect anew, and so sync. */
  reconnect(connectionIds: readonly string[]): void {
    const connections = connectionIds.flatMap((id) => this.live.get(id) ?? []);
    void this.scatter(connections.length, 1_000, connections);
  }

  /** Lets nobody in any more, sends everybody elsewhere and reports them gone; in at most about `graceMs`, and some seconds for clients that do not read. */
  async drain(graceMs: number): Promise<void> {
    this.stopping = true;
    await this.scatter(graceMs / 4, graceMs / 2);
    await Promise.race([Promise.all(this.farewells), delay(graceMs / 4, undefined, { ref: false })]);
  }
}

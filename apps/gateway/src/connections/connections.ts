import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Broker } from '@parley/broker';
import { ChatError, type RevocationReason } from '@parley/contracts';
import { Registry, type RegistryEntry } from '@parley/realtime';
import { Logger } from '@parley/service-kit';
import type { Server, Socket } from 'socket.io';
import { Revocations } from '../auth/revocations.js';
import type { Session } from '../auth/session.js';
import { GatewayConfig } from '../config.js';
import { Metrics } from '../metrics.js';
import { LocalConnection, sessionRoom, userRoom } from './connection.js';
import { SessionReady } from './session-ready.js';

const STEP_MS = 100;
const MIN_PER_STEP = 20;
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The live sockets of this gateway, and all ways in which one begins and ends. */
@Injectable()
export class Connections {
  private readonly live = new Map<string, LocalConnection>();
  /** Closed connections that are being reported to presence and the registry. */
  private readonly reports = new Set<Promise<void>>();
  private server: Server | undefined;
  private draining = false;

  constructor(
    private readonly config: GatewayConfig,
    private readonly broker: Broker,
    private readonly registry: Registry,
    private readonly sessionReady: SessionReady,
    private readonly revocations: Revocations,
    private readonly metrics: Metrics,
    private readonly logger: Logger,
  ) {}

  attach(server: Server): void {
    this.server = server;
  }

  get all(): LocalConnection[] {
    return [...this.live.values()];
  }

  /**
   * The connections whose leases and subscriptions are renewed: those whose registration has ended, well or not. A
   * renewal enters a connection whose registration failed.
   */
  get renewable(): LocalConnection[] {
    return this.all.filter(({ hasOpened }) => hasOpened);
  }

  /** Whether the gateway is stopping and refuses new connections. */
  get isDraining(): boolean {
    return this.draining;
  }

  find(connectionId: string): LocalConnection | undefined {
    return this.live.get(connectionId);
  }

  /** Takes a socket whose session was verified. Its calls wait until `session:ready` is sent. Never throws. */
  add(socket: Socket, session: Session, address: string): LocalConnection {
    const connection = new LocalConnection(socket, session, address, this.config.USER_LIMIT_SCALE, () =>
      this.metrics.closed.inc({ reason: 'slow' }),
    );
    this.live.set(connection.id, connection);
    this.metrics.connections.set(this.live.size);
    this.metrics.opened.inc();
    void socket.join([userRoom(session.userId), sessionRoom(session.sessionId)]);
    // The session may have ended between the check of its token and the join.
    if (this.revocations.has(session.sessionId)) this.end(connection, 'ended');
    else void connection.holdCallsUntil(this.makeReady(connection));
    return connection;
  }

  /** Enters the connection into the registry before `session:ready` goes out: from there on it misses nothing. */
  private async makeReady(connection: LocalConnection): Promise<void> {
    void this.broker
      .publish('connection.opened.v1', { ...this.registryEntry(connection), at: connection.lastHeartbeatAt })
      .catch(() => undefined);
    const registered = this.register(connection);
    try {
      const ready = await this.sessionReady.compose(connection);
      await registered;
      // The token may be from before a guest became a person.
      connection.session = { ...connection.session, kind: ready.user.kind };
      connection.socket.emit('session:ready', ready);
    } catch (error) {
      await registered;
      if (error instanceof ChatError && error.code === 'unauthenticated') return this.end(connection, 'ended');
      this.logger.warn(
        { connectionId: connection.id, reason: reasonOf(error) },
        'a connection could not be made ready; its client connects again',
      );
      void connection.closeTransport(0);
    }
  }

  /**
   * Never rejects. A connection continues without the registry: pushes then go to all gateways, and the next renewal
   * enters it.
   */
  private async register(connection: LocalConnection): Promise<void> {
    try {
      const { excess } = await this.registry.add(this.registryEntry(connection));
      for (const entry of excess) this.endExcess(entry);
    } catch (error) {
      this.logger.warn(
        { connectionId: connection.id, reason: reasonOf(error) },
        'the registry did not take a connection; the next renewal enters it',
      );
    }
  }

  registryEntry({ id, userId }: LocalConnection): RegistryEntry {
    return { connectionId: id, userId, gatewayId: this.broker.instance };
  }

  /** Ends one of a user's connections beyond the limit, here or at another gateway. */
  private endExcess({ connectionId, gatewayId }: RegistryEntry): void {
    const local = this.live.get(connectionId);
    if (local) return this.end(local, 'too_many');
    if (gatewayId === this.broker.instance) return;
    void this.broker.push(gatewayId, { kind: 'close', connectionId, reason: 'too_many' }).catch((error: unknown) => {
      this.logger.warn({ connectionId, err: error }, 'a connection beyond the limit could not be closed');
    });
  }

  /** Ends a connection for good: its client gets the reason and does not reconnect automatically. */
  end(connection: LocalConnection, reason: RevocationReason): void {
    this.metrics.closed.inc({ reason });
    connection.socket.emit('session:revoked', { reason });
    connection.socket.disconnect(true);
  }

  /** Ends all connections of these sessions for good. */
  endSessions(sessionIds: readonly string[], reason: RevocationReason): void {
    for (const sessionId of sessionIds) {
      const count = this.server?.of('/').adapter.rooms.get(sessionRoom(sessionId))?.size ?? 0;
      if (count > 0) this.metrics.closed.inc({ reason }, count);
      this.server?.to(sessionRoom(sessionId)).emit('session:revoked', { reason });
      this.server?.in(sessionRoom(sessionId)).disconnectSockets(true);
    }
  }

  /** Reports a connection whose socket has closed to presence and the registry. Returns whether it was live until now. */
  remove(connection: LocalConnection): boolean {
    if (!this.live.delete(connection.id)) return false;
    this.metrics.connections.set(this.live.size);
    const report = this.reportClosed(connection).finally(() => this.reports.delete(report));
    this.reports.add(report);
    return true;
  }

  private async reportClosed(connection: LocalConnection): Promise<void> {
    const entry = this.registryEntry(connection);
    const published = this.broker.publish('connection.closed.v1', { ...entry, at: Date.now() });
    // Removing must come after adding, or the entry stays until its lease ends.
    const removed = connection.opened.then(() => this.registry.remove(entry));
    for (const result of await Promise.allSettled([published, removed])) {
      if (result.status === 'rejected')
        this.logger.warn(
          { connectionId: connection.id, reason: String(result.reason) },
          'a closed connection was not reported; its lease will end',
        );
    }
  }

  /**
   * Makes clients (by default all) reconnect, here or elsewhere: closes their transports, in batches spread over
   * `spreadMs`. Pending calls are answered first; those that take longer than `callTimeoutMs` are answered
   * `unavailable`.
   */
  async reconnectAll(
    spreadMs: number,
    callTimeoutMs: number,
    connections: readonly LocalConnection[] = this.all,
  ): Promise<void> {
    if (connections.length > 0) this.metrics.closed.inc({ reason: 'sent_elsewhere' }, connections.length);
    const size = Math.max(MIN_PER_STEP, Math.ceil((connections.length * STEP_MS) / Math.max(STEP_MS, spreadMs)));
    const closing: Promise<void>[] = [];
    for (let at = 0; at < connections.length; at += size) {
      if (at > 0) await delay(STEP_MS * (0.5 + Math.random()));
      closing.push(...connections.slice(at, at + size).map((connection) => connection.closeTransport(callTimeoutMs)));
    }
    await Promise.all(closing);
  }

  /** Makes the clients of these connections reconnect, and so sync. */
  reconnect(connectionIds: readonly string[]): void {
    const connections = connectionIds.flatMap((id) => this.live.get(id) ?? []);
    void this.reconnectAll(connections.length, 1_000, connections);
  }

  /**
   * Accepts no new connections, makes all clients reconnect elsewhere and reports their connections closed. Takes about
   * `graceMs` at most, and a few seconds more for clients that do not read.
   */
  async drain(graceMs: number): Promise<void> {
    this.draining = true;
    await this.reconnectAll(graceMs / 4, graceMs / 2);
    await Promise.race([Promise.all(this.reports), delay(graceMs / 4, undefined, { ref: false })]);
  }
}

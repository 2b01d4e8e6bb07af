import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Broker, type InstanceListener } from '@parley/broker';
import type { DomainEvent, DomainEventName, Message, PushFrame, ServerEvent } from '@parley/contracts';
import { reached } from '@parley/faults';
import { Traces } from '@parley/realtime';
import { inSpans, Logger, parseTraceparent } from '@parley/service-kit';
import type { Server } from 'socket.io';
import { Revocations } from '../auth/revocations.js';
import { Connections, userRoom } from '../connections/connections.js';
import { Metrics } from '../metrics.js';
import { PresenceSubscriptions } from '../presence/presence-subscriptions.js';
import { ReceiptHighWater } from './receipt-high-water.js';
import { RecentRemovals } from './recent-removals.js';

/** Clients reconnect within this time after a gap. */
const GAP_SPREAD_MS = 3_000;
/** Maximum time for pending calls to be answered before their connection closes. */
const GAP_CALL_TIMEOUT_MS = 1_000;
/** The longest that clients are kept until the broker is ready for them to come back. */
const BROKER_READY_TIMEOUT_MS = 5_000;
const BROKER_READY_POLL_MS = 50;

type UsersFrame = Extract<PushFrame, { kind: 'users' }>;

/**
 * Forwards frames from services to this gateway's clients, applies ended sessions and changed blocks, and handles gaps.
 */
@Injectable()
export class PushListener implements InstanceListener {
  readonly events: readonly DomainEventName[] = ['session.revoked.v1', 'block.changed.v1'];
  private server: Server | undefined;
  private readonly removals = new RecentRemovals();
  private readonly receipts = new ReceiptHighWater();
  private lastGapAt = 0;
  private resyncing = false;

  constructor(
    private readonly broker: Broker,
    private readonly connections: Connections,
    private readonly revocations: Revocations,
    private readonly subscriptions: PresenceSubscriptions,
    private readonly traces: Traces,
    private readonly metrics: Metrics,
    private readonly logger: Logger,
  ) {}

  attach(server: Server): void {
    this.server = server;
  }

  onPush(frame: PushFrame): void {
    this.metrics.pushes.inc({ kind: frame.kind });
    if (frame.kind === 'users') return this.emitInSpan(frame);
    if (frame.kind === 'watchers') return this.subscriptions.changed(frame);
    const connection = this.connections.find(frame.connectionId);
    if (connection) this.connections.end(connection, frame.reason);
  }

  private emitInSpan(frame: UsersFrame): void {
    const parent = frame.traceparent === undefined ? undefined : parseTraceparent(frame.traceparent);
    if (!parent) return this.emit(frame);
    inSpans(`emit ${frame.event}`, 'consumer', [parent], () => this.emit(frame));
  }

  /** Emits once to all rooms, so that Socket.IO encodes the packet once. */
  private emit(frame: UsersFrame): void {
    void reached('gateway.pushed');
    const { event, except } = frame;
    const roomsHere = this.server?.of('/').adapter.rooms;
    const rooms = this.removals
      .audience(frame)
      .map(userRoom)
      .filter((room) => roomsHere?.has(room));
    if (rooms.length === 0) return;
    const payload =
      event === 'receipt:updated'
        ? this.receipts.advance(frame.payload as ServerEvent<'receipt:updated'>)
        : frame.payload;
    if (payload === undefined) return;
    const exceptSocket = except === undefined ? undefined : this.connections.find(except)?.socket.id;
    const audience = this.server!.to(rooms);
    (exceptSocket === undefined ? audience : audience.except(exceptSocket)).emit(event, payload);
    if (event === 'message:new') this.recordDelivery((payload as ServerEvent<'message:new'>).message, rooms);
    if (event === 'conversation:removed' || event === 'member:changed') this.refreshVisibility(frame);
  }

  private recordDelivery({ id, createdAt }: Message, rooms: readonly string[]): void {
    this.metrics.delivery.observe(Math.max(0, Date.now() - Date.parse(createdAt)) / 1000);
    this.traces.pushed(id, this.connections.inRooms(rooms));
  }

  /** Two users without a conversation in common may not see each other's presence. This is checked at once, not only with the next renewal. */
  private refreshVisibility({ event, users, payload }: UsersFrame): void {
    const audience = new Set(users);
    const goneId = event === 'member:changed' ? goneMember(payload as ServerEvent<'member:changed'>) : undefined;
    if (event === 'member:changed' && goneId === undefined) return;
    const affected = this.connections.all.filter(
      ({ userId, watched }) => audience.has(userId) && (goneId === undefined ? watched.size > 0 : watched.has(goneId)),
    );
    // If presence is unavailable the next renewal asks again.
    if (affected.length > 0) void this.subscriptions.refresh(affected).catch(() => undefined);
  }

  onEvent(name: DomainEventName, event: unknown): void {
    if (name === 'session.revoked.v1') this.sessionRevoked(event as DomainEvent<'session.revoked.v1'>);
    if (name === 'block.changed.v1') this.blockChanged(event as DomainEvent<'block.changed.v1'>);
  }

  private sessionRevoked({ sessionIds, reason }: DomainEvent<'session.revoked.v1'>): void {
    this.revocations.add(sessionIds);
    this.connections.endSessions(sessionIds, reason);
  }

  private blockChanged(event: DomainEvent<'block.changed.v1'>): void {
    const affected = this.connections.all.filter(
      ({ userId }) => userId === event.blockerId || userId === event.blockedId,
    );
    // If presence is unavailable the next renewal asks again.
    void this.subscriptions.blockChanged(event, affected).catch(() => undefined);
  }

  /** Frames may be missing. Every client that is here reconnects and syncs, so that none keeps a hole without knowing. */
  onGap(): void {
    this.lastGapAt = Date.now();
    if (this.resyncing) return;
    this.resyncing = true;
    void this.resync().finally(() => (this.resyncing = false));
    void this.endRevokedSessions().catch(() => undefined);
  }

  /** Gaps that come together are one round. Clients that connected after the last gap stay. */
  private async resync(): Promise<void> {
    for (let handledGapAt = 0; handledGapAt < this.lastGapAt;) {
      // Clients that reconnect want to sync, which needs the broker.
      const until = Date.now() + BROKER_READY_TIMEOUT_MS;
      while (!this.broker.status.ready && Date.now() < until) await delay(BROKER_READY_POLL_MS);
      handledGapAt = this.lastGapAt;
      const affected = this.connections.all.filter(({ openedAt }) => openedAt <= handledGapAt);
      this.logger.warn({ connections: affected.length }, 'pushes may be missing; clients are made to reconnect');
      await this.connections.reconnectAll(GAP_SPREAD_MS, GAP_CALL_TIMEOUT_MS, affected);
    }
  }

  /** Ends the connections of sessions whose revocation was missed. Rejects while auth is unavailable. */
  async endRevokedSessions(): Promise<void> {
    this.connections.endSessions(await this.revocations.load(), 'ended');
  }
}

/** The member that a change removed or banned. */
const goneMember = (change: ServerEvent<'member:changed'>): string | undefined =>
  'left' in change ? change.userId : change.member.status === 'banned' ? change.member.userId : undefined;

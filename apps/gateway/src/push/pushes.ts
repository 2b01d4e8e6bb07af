import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { InstanceListener } from '@parley/broker';
import type { DomainEvent, DomainEventName, Message, PushFrame, ServerEvent } from '@parley/contracts';
import { reached, without } from '@parley/faults';
import { inSpans, parseTraceparent } from '@parley/service-kit';
import type { Server } from 'socket.io';
import { Connections, userRoom } from '../connections/connections.js';
import { Departures } from './recent-removals.js';
import { Metrics } from '../metrics.js';
import { PARTS, type GatewayParts } from '../parts.js';
import { Positions } from './receipt-high-water.js';
import { Revocations } from '../auth/revocations.js';
import { Watches } from '../presence/presence-subscriptions.js';

/** Clients come back within this time after a gap. */
const GAP_SPREAD_MS = 3_000;
/** How long a call may still be answered before its connection closes. */
const PATIENCE_MS = 1_000;
/** The longest that clients are kept until the broker is ready for them to come back. */
const READY_MS = 5_000;

/** What other parts send to this gateway. */
@Injectable()
export class Pushes implements InstanceListener {
  readonly events: readonly DomainEventName[] = ['session.revoked.v1', 'block.changed.v1'];
  private server: Server | undefined;
  private readonly departures = new Departures();
  private readonly positions = new Positions();
  private gapAt = 0;
  private resyncing = false;

  constructor(
    @Inject(PARTS) private readonly parts: GatewayParts,
    @Inject(Connections) private readonly connections: Connections,
    @Inject(Revocations) private readonly revocations: Revocations,
    @Inject(Watches) private readonly watches: Watches,
    @Inject(Metrics) private readonly metrics: Metrics,
  ) {}

  attach(server: Server): void {
    this.server = server;
  }

  onPush(frame: PushFrame): void {
    this.metrics.pushes.inc({ kind: frame.kind });
    if (frame.kind === 'users')
      return frame.traceparent === undefined ? this.toUsers(frame) : this.traced(frame, frame.traceparent);
    if (frame.kind === 'watchers') return this.watches.changed(frame);
    const connection = this.connections.find(frame.connectionId);
    if (connection) this.connections.end(connection, frame.reason);
  }

  private traced(frame: Extract<PushFrame, { kind: 'users' }>, traceparent: string): void {
    const parent = parseTraceparent(traceparent);
    if (!parent) return this.toUsers(frame);
    inSpans(`emit ${frame.event}`, 'consumer', [parent], () => this.toUsers(frame));
  }

  /** One emit for all: Socket.IO encodes the packet once. */
  private toUsers(frame: Extract<PushFrame, { kind: 'users' }>): void {
    void reached('gateway.pushed');
    const { event, except } = frame;
    const rooms = this.server?.of('/').adapter.rooms;
    const here = this.departures
      .audience(frame)
      .map(userRoom)
      .filter((room) => rooms?.has(room));
    if (here.length === 0) return;
    const payload =
      event === 'receipt:updated'
        ? this.positions.forward(frame.payload as ServerEvent<'receipt:updated'>)
        : frame.payload;
    if (payload === undefined) return;
    const left = except === undefined ? undefined : this.connections.find(except)?.socket.id;
    const audience = this.server!.to(here);
    (left === undefined ? audience : audience.except(left)).emit(event, payload);
    if (event === 'message:new') this.written((payload as ServerEvent<'message:new'>).message, here);
    if (event === 'conversation:removed' || event === 'member:changed') this.partingOf(frame);
  }

  private written({ id, createdAt }: Message, rooms: readonly string[]): void {
    this.metrics.delivery.observe(Math.max(0, Date.now() - Date.parse(createdAt)) / 1000);
    this.parts.traces.pushed(id, this.connections.inRooms(rooms));
  }

  /** Who is in no conversation with somebody any more may not see their presence: asked at once, not only with the next renewal. */
  private partingOf({ event, users, payload }: Extract<PushFrame, { kind: 'users' }>): void {
    const hearers = new Set(users);
    const gone = event === 'member:changed' ? goneOf(payload as ServerEvent<'member:changed'>) : undefined;
    if (event === 'member:changed' && gone === undefined) return;
    const concerned = this.connections.all.filter(
      ({ userId, watches }) => hearers.has(userId) && (gone === undefined ? watches.size > 0 : watches.has(gone)),
    );
    // Where presence is away the next renewal asks again.
    if (concerned.length > 0) void this.watches.announce(concerned).catch(() => undefined);
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
    const concerned = this.connections.all.filter(
      ({ userId }) => userId === event.blockerId || userId === event.blockedId,
    );
    // Where presence is away the next renewal asks again.
    void this.watches.blockChanged(event, concerned).catch(() => undefined);
  }

  /** Frames may be missing: nobody may keep a silent hole, so everybody who is here reconnects and syncs. */
  onGap(): void {
    if (without('gaps')) return;
    this.gapAt = Date.now();
    if (this.resyncing) return;
    this.resyncing = true;
    void this.resync().finally(() => (this.resyncing = false));
    void this.catchUp().catch(() => undefined);
  }

  /** One round for gaps that come together; whoever connects after the last one stays. */
  private async resync(): Promise<void> {
    for (let done = 0; done < this.gapAt;) {
      // Those who come back want to sync: not before that can be answered.
      const until = Date.now() + READY_MS;
      while (!this.parts.broker.status.ready && Date.now() < until) await delay(50);
      done = this.gapAt;
      const affected = this.connections.all.filter(({ since }) => since <= done);
      this.parts.logger.warn({ connections: affected.length }, 'pushes may be missing; clients are made to reconnect');
      await this.connections.scatter(GAP_SPREAD_MS, PATIENCE_MS, affected);
    }
  }

  /** Ends what was revoked unheard. Rejects while auth is away. */
  async catchUp(): Promise<void> {
    this.connections.endSessions(await this.revocations.load(), 'ended');
  }
}

const goneOf = (change: ServerEvent<'member:changed'>): string | undefined =>
  'left' in change ? change.userId : change.member.status === 'banned' ? change.member.userId : undefined;

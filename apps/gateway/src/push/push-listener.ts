import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Broker, type InstanceListener } from '@parley/broker';
import type { DomainEvent, DomainEventName, Message, PushFrame, Receipt, ServerEvent } from '@parley/contracts';
import { reached } from '@parley/faults';
import { Traces } from '@parley/realtime';
import { inSpans, Logger, parseTraceparent } from '@parley/service-kit';
import type { Server } from 'socket.io';
import { Revocations } from '../auth/revocations.js';
import { connectionsIn, userRoom } from '../connections/connection.js';
import { Connections } from '../connections/connections.js';
import { Metrics } from '../metrics.js';
import { PresenceSubscriptions } from '../presence/presence-subscriptions.js';

/** The closing of transports after a gap is spread over this time, once the broker is ready. */
const GAP_SPREAD_MS = 3_000;
/** Maximum time for pending calls to be answered before their connection closes. */
const GAP_CALL_TIMEOUT_MS = 1_000;
/** Maximum time that a gap waits for the broker before transports close. */
const BROKER_READY_TIMEOUT_MS = 5_000;
const BROKER_READY_POLL_MS = 50;

type UsersFrame = Extract<PushFrame, { kind: 'users' }>;

/**
 * Forwards frames from services to this gateway's clients, applies ended sessions, changed blocks and removed contacts,
 * and handles gaps. {@link RecentRemovals} and {@link ReceiptHighWater} drop or correct frames that arrive after a
 * newer one.
 */
@Injectable()
export class PushListener implements InstanceListener {
  readonly events: readonly DomainEventName[] = [
    'session.revoked.v1',
    'user.updated.v1',
    'block.changed.v1',
    'contact.removed.v1',
  ];
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

  /** Emits once to all rooms of the frame's users, so that Socket.IO encodes the packet once. */
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
    this.traces.pushed(id, connectionsIn(this.server!.of('/'), rooms));
  }

  /**
   * Two users without a conversation in common may not see each other's presence. Asks presence again at once instead of
   * at the next renewal of subscriptions.
   */
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
    if (name === 'user.updated.v1') this.userUpdated(event as DomainEvent<'user.updated.v1'>);
    if (name === 'block.changed.v1') this.blockChanged(event as DomainEvent<'block.changed.v1'>);
    if (name === 'contact.removed.v1') this.contactRemoved(event as DomainEvent<'contact.removed.v1'>);
  }

  private sessionRevoked({ sessionIds, reason }: DomainEvent<'session.revoked.v1'>): void {
    this.revocations.add(sessionIds);
    this.connections.endSessions(sessionIds, reason);
  }

  /** Tells the user's own connections. A guest who has become a person has a person's rights on all of them. */
  private userUpdated({ user }: DomainEvent<'user.updated.v1'>): void {
    for (const connection of this.connections.all)
      if (connection.userId === user.id) connection.session = { ...connection.session, kind: user.kind };
    this.server?.to(userRoom(user.id)).emit('user:updated', { user });
  }

  private blockChanged(event: DomainEvent<'block.changed.v1'>): void {
    const affected = this.connections.all.filter(
      ({ userId }) => userId === event.blockerId || userId === event.blockedId,
    );
    // If presence is unavailable the next renewal asks again.
    void this.subscriptions.blockChanged(event, affected).catch(() => undefined);
  }

  private contactRemoved({ ownerId, userId }: DomainEvent<'contact.removed.v1'>): void {
    const affected = this.connections.all.filter(
      (connection) =>
        (connection.userId === ownerId && connection.watched.has(userId)) ||
        (connection.userId === userId && connection.watched.has(ownerId)),
    );
    // If presence is unavailable the next renewal asks again.
    if (affected.length > 0) void this.subscriptions.refresh(affected).catch(() => undefined);
  }

  /**
   * Frames may be missing. Every client that is connected here reconnects and syncs, so that no client stays incomplete
   * without knowing it.
   */
  onGap(): void {
    this.lastGapAt = Date.now();
    if (this.resyncing) return;
    this.resyncing = true;
    void this.resync().finally(() => (this.resyncing = false));
    void this.endRevokedSessions().catch(() => undefined);
  }

  /** Gaps during a round are handled by one more round. Clients that connected after the last gap stay. */
  private async resync(): Promise<void> {
    for (let handledGapAt = 0; handledGapAt < this.lastGapAt;) {
      // Clients call `sync` after reconnecting, which needs the broker.
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

interface Removal {
  readonly users: ReadonlySet<string>;
  readonly at: number;
}

/** Maximum delay of a frame that was published before a removal and arrives after it. */
const LATE_FRAME_MS = 30_000;
/** Maximum number of remembered members; beyond that, the oldest are forgotten. */
const MAX_USERS = 100_000;

/** The conversation of a frame, if any. */
function conversationOf(payload: unknown): string | undefined {
  const { conversationId, message, conversation } = payload as {
    conversationId?: string;
    message?: { conversationId?: string };
    conversation?: { id?: string };
  };
  return conversationId ?? message?.conversationId ?? conversation?.id;
}

/**
 * The members that were just removed from a conversation. Several processes push about one conversation, so a frame
 * published before a removal may arrive after it: removed members do not get it any more (I8). From
 * `conversation:removed` to `conversation:new` a user receives no event of the conversation, for {@link LATE_FRAME_MS}
 * at most. Empty except shortly after removals.
 */
export class RecentRemovals {
  /** By conversation, in the order of the last removals: the removed members, and the time of the last removal. */
  private readonly removals = new Map<string, Removal>();
  private userCount = 0;

  constructor(
    private readonly maxUsers = MAX_USERS,
    private readonly now: () => number = Date.now,
  ) {}

  /** The users that a frame may still go to. Frames must be passed in the order in which they arrived. */
  audience({ event, users, payload }: Pick<UsersFrame, 'event' | 'users' | 'payload'>): readonly string[] {
    if (event === 'conversation:removed')
      return this.remove((payload as { conversationId: string }).conversationId, users);
    if (this.removals.size === 0) return users;
    this.forgetOld();
    const conversationId = conversationOf(payload);
    const removal = conversationId === undefined ? undefined : this.removals.get(conversationId);
    if (!removal) return users;
    if (event === 'conversation:new') return this.readmit(conversationId!, removal, users);
    return users.filter((userId) => !removal.users.has(userId));
  }

  private remove(conversationId: string, users: readonly string[]): readonly string[] {
    this.forgetOld();
    const before = this.removals.get(conversationId)?.users ?? [];
    // Deleted first, so that it comes last in the map.
    this.set(conversationId, undefined);
    this.set(conversationId, { users: new Set([...before, ...users]), at: this.now() });
    return users;
  }

  private readmit(
    conversationId: string,
    { users: removed, at }: Removal,
    users: readonly string[],
  ): readonly string[] {
    const readmitted = new Set(users);
    const remaining = [...removed].filter((userId) => !readmitted.has(userId));
    this.set(conversationId, remaining.length === 0 ? undefined : { users: new Set(remaining), at });
    return users;
  }

  private set(conversationId: string, removal: Removal | undefined): void {
    this.userCount += (removal?.users.size ?? 0) - (this.removals.get(conversationId)?.users.size ?? 0);
    if (removal) this.removals.set(conversationId, removal);
    else this.removals.delete(conversationId);
  }

  private forgetOld(): void {
    const since = this.now() - LATE_FRAME_MS;
    for (const [conversationId, { users, at }] of this.removals) {
      if (at > since && this.userCount <= this.maxUsers) return;
      this.removals.delete(conversationId);
      this.userCount -= users.size;
    }
  }
}

/** Maximum number of members with remembered positions; beyond that, the oldest are forgotten. */
const MAX_MEMBERS = 50_000;

/**
 * The highest receipt positions that this gateway has sent to clients. Replicas of history push independently, so a
 * frame may arrive after a newer one, much later if its process stalled; no client may see a position go back (I5).
 */
export class ReceiptHighWater {
  private readonly highest = new Map<string, Pick<Receipt, 'readSeq' | 'deliveredSeq'>>();

  constructor(private readonly maxMembers = MAX_MEMBERS) {}

  /** Raises a receipt to the highest positions sent before. Returns undefined if it contains nothing new. */
  advance(receipt: Receipt): Receipt | undefined {
    const key = `${receipt.conversationId} ${receipt.userId}`;
    const { readSeq, deliveredSeq } = this.highest.get(key) ?? { readSeq: -1, deliveredSeq: -1 };
    if (receipt.readSeq <= readSeq && receipt.deliveredSeq <= deliveredSeq) return undefined;
    const advanced = {
      ...receipt,
      readSeq: Math.max(readSeq, receipt.readSeq),
      deliveredSeq: Math.max(deliveredSeq, receipt.deliveredSeq),
    };
    this.highest.delete(key);
    if (this.highest.size >= this.maxMembers) this.highest.delete(this.highest.keys().next().value!);
    this.highest.set(key, advanced);
    return advanced;
  }
}

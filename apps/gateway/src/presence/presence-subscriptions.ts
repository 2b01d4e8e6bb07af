import { Injectable } from '@nestjs/common';
import { Broker } from '@parley/broker';
import { ChatError, type DomainEvent, type Presence, type PushFrame } from '@parley/contracts';
import type { Server, Socket } from 'socket.io';
import { GatewayConfig } from '../config.js';
import type { LocalConnection } from '../connections/connection.js';

const watchRoom = (userId: string) => `watch:${userId}`;
const CONCURRENT_USERS = 4;
const MAX_PER_REQUEST = 1_000;

type WatchersFrame = Extract<PushFrame, { kind: 'watchers' }>;

/**
 * A user's presence as one watcher sees it. `hidden`: a block exists between the two; the user is shown as offline and
 * changes are not forwarded.
 */
interface View {
  readonly presence: Presence;
  readonly hidden: boolean;
}
const offline = (userId: string): Presence => ({ userId, state: 'offline' });

/**
 * A request of one user to presence that is under way, and changes that arrived meanwhile: they may be newer than its
 * answer.
 */
interface PendingRequest {
  readonly userId: string;
  readonly changes: Map<string, Presence | undefined>;
  readonly hidden: Set<string>;
}

/**
 * The presence subscriptions of this gateway's connections. A connection watches users; the gateway
 * subscribes to these users at the service presence, which returns only users that the watcher may see. All
 * subscriptions are repeated with every renewal. So they survive when presence loses its data, and a watcher stops
 * receiving the presence of a user whom they may no longer see. A connection that watches somebody is in that user's
 * watch room, unless there is a block between the two.
 */
@Injectable()
export class PresenceSubscriptions {
  /** Number of connections that watch each user. The gateway unsubscribes after the last one. */
  private readonly counts = new Map<string, number>();
  private readonly pending = new Set<PendingRequest>();
  private server: Server | undefined;

  constructor(
    private readonly broker: Broker,
    private readonly config: GatewayConfig,
  ) {}

  attach(server: Server): void {
    this.server = server;
  }

  /** Returns the current state of the users that are visible; later changes follow as `presence:changed`. */
  async watch(connection: LocalConnection, userIds: readonly string[]): Promise<Presence[]> {
    const wanted = [...new Set(userIds)];
    const added = wanted.filter((userId) => !connection.watched.has(userId)).length;
    this.requireWatchesLeft(connection.watched.size + added);
    const views = wanted.length === 0 ? [] : await this.request(connection.userId, wanted);
    // Other calls of this connection may have added watches meanwhile.
    this.requireWatchesLeft(
      connection.watched.size + views.filter(({ presence }) => !connection.watched.has(presence.userId)).length,
    );
    if (connection.socket.connected) for (const view of views) this.add(connection, view);
    return views.map(({ presence }) => presence);
  }

  unwatch(connection: LocalConnection, userIds: Iterable<string>): void {
    const unwatched = [...userIds].filter((userId) => this.remove(connection, userId));
    if (unwatched.length === 0) return;
    // Not awaited: presence forgets subscriptions that are not repeated.
    void this.tellPresence(connection.userId, [], unwatched).catch(() => undefined);
  }

  /** Ends all watches of a connection that has closed. */
  drop(connection: LocalConnection): void {
    this.unwatch(connection, [...connection.watched.keys()]);
  }

  /** As {@link drop}, but without telling presence, which forgets subscriptions that are not renewed. */
  forget(connection: LocalConnection): void {
    for (const userId of connection.watched.keys()) this.remove(connection, userId);
  }

  /** Passes a change of presence on to the connections that watch the user. */
  changed(frame: WatchersFrame): void {
    const presence = frame.payload as Presence;
    for (const { changes } of this.pending) if (changes.has(frame.userId)) changes.set(frame.userId, presence);
    const room = watchRoom(frame.userId);
    const sockets = this.server?.of('/').adapter.rooms.get(room);
    if (!sockets) return;
    for (const id of sockets) this.connectionOf(id)?.watched.set(frame.userId, presence.state);
    this.server?.to(room).emit(frame.event, presence);
  }

  /**
   * Hides two users from each other at once when one blocks the other. When a block ends, presence is asked, because
   * the second user may block the first. `connections`: the local connections of the two users.
   */
  async blockChanged(
    { blockerId, blockedId, blocked }: DomainEvent<'block.changed.v1'>,
    connections: readonly LocalConnection[],
  ): Promise<void> {
    for (const [watcher, watchedId] of [
      [blockerId, blockedId],
      [blockedId, blockerId],
    ] as const) {
      const devices = connections.filter(({ userId, watched }) => userId === watcher && watched.has(watchedId));
      if (blocked) this.hide(watcher, watchedId, devices);
      else if (devices.length > 0) await this.refreshViews(watcher, [watchedId], devices);
    }
  }

  private hide(watcher: string, watchedId: string, devices: readonly LocalConnection[]): void {
    for (const { userId, hidden } of this.pending) if (userId === watcher) hidden.add(watchedId);
    for (const device of devices) this.show(device, { presence: offline(watchedId), hidden: true });
  }

  private connectionOf(socketId: string): LocalConnection | undefined {
    return (this.server?.of('/').sockets.get(socketId) as Socket | undefined)?.data.connection;
  }

  /**
   * Repeats the subscriptions of these connections and sends each the changes that it missed. Rejects when presence is
   * unavailable.
   */
  async refresh(connections: Iterable<LocalConnection>): Promise<void> {
    const byUser = new Map<string, LocalConnection[]>();
    for (const connection of connections) {
      if (connection.watched.size === 0) continue;
      byUser.set(connection.userId, [...(byUser.get(connection.userId) ?? []), connection]);
    }
    const queue = byUser.entries();
    await Promise.all(
      Array.from({ length: CONCURRENT_USERS }, async () => {
        for (const [userId, devices] of queue) {
          const watched = new Set(devices.flatMap((device) => [...device.watched.keys()]));
          await this.refreshViews(userId, [...watched], devices);
        }
      }),
    );
  }

  /** Asks how one user sees others, and brings that user's devices up to date. */
  private async refreshViews(
    userId: string,
    watchedIds: readonly string[],
    devices: readonly LocalConnection[],
  ): Promise<void> {
    const views = new Map<string, View>();
    for (let at = 0; at < watchedIds.length; at += MAX_PER_REQUEST) {
      for (const view of await this.request(userId, watchedIds.slice(at, at + MAX_PER_REQUEST)))
        views.set(view.presence.userId, view);
    }
    for (const device of devices) {
      for (const watchedId of watchedIds) {
        const view = views.get(watchedId);
        if (!device.watched.has(watchedId)) continue;
        if (view) this.show(device, view);
        else this.remove(device, watchedId);
      }
    }
  }

  /** Sends a device the state of a watched user, unless that was the last state sent to it. */
  private show(device: LocalConnection, view: View): void {
    const isNew = device.watched.get(view.presence.userId) !== view.presence.state;
    this.add(device, view);
    if (isNew) device.socket.emit('presence:changed', view.presence);
  }

  private add(connection: LocalConnection, { presence: { userId, state }, hidden }: View): void {
    if (!connection.watched.has(userId)) this.counts.set(userId, (this.counts.get(userId) ?? 0) + 1);
    connection.watched.set(userId, state);
    void (hidden ? connection.socket.leave(watchRoom(userId)) : connection.socket.join(watchRoom(userId)));
  }

  /** Returns whether that was the last connection here that watched `userId`. */
  private remove(connection: LocalConnection, userId: string): boolean {
    if (!connection.watched.delete(userId)) return false;
    void connection.socket.leave(watchRoom(userId));
    const left = (this.counts.get(userId) ?? 1) - 1;
    if (left > 0) this.counts.set(userId, left);
    else this.counts.delete(userId);
    return left <= 0;
  }

  private async request(userId: string, watchedIds: string[]): Promise<View[]> {
    const pending: PendingRequest = {
      userId,
      changes: new Map(watchedIds.map((watchedId) => [watchedId, undefined])),
      hidden: new Set(),
    };
    this.pending.add(pending);
    try {
      const { presence, blocked = [] } = await this.tellPresence(userId, watchedIds, []);
      const hidden = new Set([...blocked, ...pending.hidden]);
      return presence.map((answered) =>
        hidden.has(answered.userId)
          ? { presence: offline(answered.userId), hidden: true }
          : { presence: pending.changes.get(answered.userId) ?? answered, hidden: false },
      );
    } finally {
      this.pending.delete(pending);
    }
  }

  private requireWatchesLeft(watches: number): void {
    const max = this.config.LIMIT_PRESENCE_WATCHES;
    if (watches > max) throw new ChatError('too_large', `at most ${max} watches per connection`);
  }

  private tellPresence(userId: string, add: string[], remove: string[]) {
    return this.broker.request('presence.watching.v1', { gatewayId: this.broker.instance, userId, add, remove });
  }
}

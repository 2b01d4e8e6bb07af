import { Inject, Injectable } from '@nestjs/common';
import { ChatError, limits, type DomainEvent, type Presence, type PushFrame } from '@parley/contracts';
import type { Server, Socket } from 'socket.io';
import type { LocalConnection } from '../connections/connection.js';
import { PARTS, type GatewayParts } from '../parts.js';

const watchRoom = (userId: string) => `watch:${userId}`;
const AT_ONCE = 4;
const MOST_PER_REQUEST = 1_000;

type WatchersFrame = Extract<PushFrame, { kind: 'watchers' }>;

/** How a watcher sees somebody. `hidden`: where one of the two blocks the other they show as offline, and nothing else is passed on. */
interface Seen {
  readonly presence: Presence;
  readonly hidden: boolean;
}
const offline = (userId: string): Presence => ({ userId, state: 'offline' });

/** A question of one user that is under way, and what came meanwhile: newer than its answer may be. */
interface Question {
  readonly userId: string;
  readonly changes: Map<string, Presence | undefined>;
  readonly hidden: Set<string>;
}

/**
 * Who on this gateway hears of whose presence. Presence is told which users this gateway wants to hear of, and answers only those that the watcher may see;
 * all wishes are repeated with every renewal, so that they survive presence's losing its data, and so that a watcher who may no longer see somebody stops
 * hearing of them. A connection that watches somebody is in their room, unless there is a block between the two.
 */
@Injectable()
export class Watches {
  /** Connections that watch a user; presence is told when the last one stops. */
  private readonly counts = new Map<string, number>();
  private readonly questions = new Set<Question>();
  private server: Server | undefined;

  constructor(@Inject(PARTS) private readonly parts: Pick<GatewayParts, 'broker' | 'logger'>) {}

  attach(server: Server): void {
    this.server = server;
  }

  /** Answers the present state of those who are visible; later changes follow as `presence:changed`. */
  async watch(connection: LocalConnection, userIds: readonly string[]): Promise<Presence[]> {
    const wanted = [...new Set(userIds)];
    const more = wanted.filter((userId) => !connection.watches.has(userId)).length;
    if (connection.watches.size + more > limits.presenceWatches) {
      throw new ChatError('too_large', `at most ${limits.presenceWatches} watches per connection`);
    }
    const seen = wanted.length === 0 ? [] : await this.ask(connection.userId, wanted);
    // Other watch calls of this connection may have ended meanwhile.
    const room =
      limits.presenceWatches - seen.filter(({ presence }) => !connection.watches.has(presence.userId)).length;
    if (connection.watches.size > room)
      throw new ChatError('too_large', `at most ${limits.presenceWatches} watches per connection`);
    if (connection.socket.connected) for (const one of seen) this.add(connection, one);
    return seen.map(({ presence }) => presence);
  }

  unwatch(connection: LocalConnection, userIds: Iterable<string>): void {
    const last = [...userIds].filter((userId) => this.remove(connection, userId));
    if (last.length === 0) return;
    // Not waited for: presence forgets wishes that are not repeated.
    void this.tell(connection.userId, [], last).catch(() => undefined);
  }

  /** The connection has ended. */
  drop(connection: LocalConnection): void {
    this.unwatch(connection, [...connection.watches.keys()]);
  }

  /** As `drop`, but presence learns of it by this gateway's silence. */
  forget(connection: LocalConnection): void {
    for (const userId of connection.watches.keys()) this.remove(connection, userId);
  }

  /** Passes a change on to those who watch. */
  changed(frame: WatchersFrame): void {
    const presence = frame.payload as Presence;
    for (const { changes } of this.questions) if (changes.has(frame.userId)) changes.set(frame.userId, presence);
    const room = watchRoom(frame.userId);
    const sockets = this.server?.of('/').adapter.rooms.get(room);
    if (!sockets) return;
    for (const id of sockets) this.connectionOf(id)?.watches.set(frame.userId, presence.state);
    this.server?.to(room).emit(frame.event, presence);
  }

  /** There is a block between two users, at once; or perhaps none any more, which has to be asked: the other may block too. `connections`: those of the two that are here. */
  async blockChanged(
    { blockerId, blockedId, blocked }: DomainEvent<'block.changed.v1'>,
    connections: readonly LocalConnection[],
  ): Promise<void> {
    for (const [watcher, watched] of [
      [blockerId, blockedId],
      [blockedId, blockerId],
    ] as const) {
      const devices = connections.filter(({ userId, watches }) => userId === watcher && watches.has(watched));
      if (blocked) this.hide(watcher, watched, devices);
      else if (devices.length > 0) await this.look(watcher, [watched], devices);
    }
  }

  private hide(watcher: string, watched: string, devices: readonly LocalConnection[]): void {
    for (const { userId, hidden } of this.questions) if (userId === watcher) hidden.add(watched);
    for (const device of devices) this.show(device, { presence: offline(watched), hidden: true });
  }

  private connectionOf(socketId: string): LocalConnection | undefined {
    return (this.server?.of('/').sockets.get(socketId) as Socket | undefined)?.data.connection;
  }

  /** Repeats all wishes; tells connections what they missed. Rejects when presence is away. */
  async announce(connections: Iterable<LocalConnection>): Promise<void> {
    const byUser = new Map<string, LocalConnection[]>();
    for (const connection of connections) {
      if (connection.watches.size === 0) continue;
      byUser.set(connection.userId, [...(byUser.get(connection.userId) ?? []), connection]);
    }
    const queue = byUser.values();
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (const devices of queue) await this.announceFor(devices);
      }),
    );
  }

  private async announceFor(devices: readonly LocalConnection[]): Promise<void> {
    await this.look(devices[0]!.userId, [...new Set(devices.flatMap((device) => [...device.watches.keys()]))], devices);
  }

  /** Asks how one user sees others, and brings their devices up to date. */
  private async look(userId: string, asked: readonly string[], devices: readonly LocalConnection[]): Promise<void> {
    const visible = new Map<string, Seen>();
    for (let at = 0; at < asked.length; at += MOST_PER_REQUEST) {
      for (const one of await this.ask(userId, asked.slice(at, at + MOST_PER_REQUEST)))
        visible.set(one.presence.userId, one);
    }
    for (const device of devices) {
      for (const watched of asked) {
        const seen = visible.get(watched);
        if (!device.watches.has(watched)) continue;
        if (seen) this.show(device, seen);
        else this.remove(device, watched);
      }
    }
  }

  /** Tells a device that watches what it has not heard yet. */
  private show(device: LocalConnection, seen: Seen): void {
    const news = device.watches.get(seen.presence.userId) !== seen.presence.state;
    this.add(device, seen);
    if (news) device.socket.emit('presence:changed', seen.presence);
  }

  private add(connection: LocalConnection, { presence: { userId, state }, hidden }: Seen): void {
    if (!connection.watches.has(userId)) this.counts.set(userId, (this.counts.get(userId) ?? 0) + 1);
    connection.watches.set(userId, state);
    void (hidden ? connection.socket.leave(watchRoom(userId)) : connection.socket.join(watchRoom(userId)));
  }

  /** Whether that was the last connection here that watched `userId`. */
  private remove(connection: LocalConnection, userId: string): boolean {
    if (!connection.watches.delete(userId)) return false;
    void connection.socket.leave(watchRoom(userId));
    const left = (this.counts.get(userId) ?? 1) - 1;
    if (left > 0) this.counts.set(userId, left);
    else this.counts.delete(userId);
    return left <= 0;
  }

  private async ask(userId: string, add: string[]): Promise<Seen[]> {
    const question: Question = { userId, changes: new Map(add.map((one) => [one, undefined])), hidden: new Set() };
    this.questions.add(question);
    try {
      const { presence, blocked = [] } = await this.tell(userId, add, []);
      const hidden = new Set([...blocked, ...question.hidden]);
      return presence.map((one) =>
        hidden.has(one.userId)
          ? { presence: offline(one.userId), hidden: true }
          : { presence: question.changes.get(one.userId) ?? one, hidden: false },
      );
    } finally {
      this.questions.delete(question);
    }
  }

  private tell(userId: string, add: string[], remove: string[]) {
    return this.parts.broker.request('presence.watching.v1', {
      gatewayId: this.parts.broker.instance,
      userId,
      add,
      remove,
    });
  }
}

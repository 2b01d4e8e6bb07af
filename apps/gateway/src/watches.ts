import { Inject, Injectable } from '@nestjs/common';
import { ChatError, limits, type Presence, type PushFrame } from '@parley/contracts';
import type { Server, Socket } from 'socket.io';
import type { LocalConnection } from './connection.js';
import { PARTS, type GatewayParts } from './parts.js';

const watchRoom = (userId: string) => `watch:${userId}`;
const AT_ONCE = 4;
const MOST_PER_REQUEST = 1_000;

type WatchersFrame = Extract<PushFrame, { kind: 'watchers' }>;

/**
 * Who on this gateway hears of whose presence. Presence is told which users this gateway wants to hear of, and answers only those that the watcher may see;
 * all wishes are repeated with every renewal, so that they survive presence's losing its data, and so that a watcher who may no longer see somebody stops
 * hearing of them.
 */
@Injectable()
export class Watches {
  /** Connections that watch a user; presence is told when the last one stops. */
  private readonly counts = new Map<string, number>();
  /** What changed while a question was under way: newer than its answer may be. */
  private readonly questions = new Set<Map<string, Presence | undefined>>();
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
    const presence = wanted.length === 0 ? [] : await this.ask(connection.userId, wanted);
    // Other watch calls of this connection may have ended meanwhile.
    const room = limits.presenceWatches - presence.filter(({ userId }) => !connection.watches.has(userId)).length;
    if (connection.watches.size > room) throw new ChatError('too_large', `at most ${limits.presenceWatches} watches per connection`);
    if (connection.socket.connected) for (const one of presence) this.add(connection, one);
    return presence;
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
    for (const question of this.questions) if (question.has(frame.userId)) question.set(frame.userId, presence);
    const room = watchRoom(frame.userId);
    const sockets = this.server?.of('/').adapter.rooms.get(room);
    if (!sockets) return;
    for (const id of sockets) this.connectionOf(id)?.watches.set(frame.userId, presence.state);
    this.server?.to(room).emit(frame.event, presence);
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
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      for (const devices of queue) await this.announceFor(devices);
    }));
  }

  private async announceFor(devices: readonly LocalConnection[]): Promise<void> {
    const asked = [...new Set(devices.flatMap((device) => [...device.watches.keys()]))];
    const visible = new Map<string, Presence>();
    for (let at = 0; at < asked.length; at += MOST_PER_REQUEST) {
      for (const one of await this.ask(devices[0]!.userId, asked.slice(at, at + MOST_PER_REQUEST))) visible.set(one.userId, one);
    }
    const known = new Set(asked);
    for (const device of devices) this.refresh(device, known, visible);
  }

  private refresh(device: LocalConnection, asked: ReadonlySet<string>, visible: ReadonlyMap<string, Presence>): void {
    for (const [userId, state] of device.watches) {
      const presence = visible.get(userId);
      if (presence && presence.state !== state) {
        device.watches.set(userId, presence.state);
        device.socket.emit('presence:changed', presence);
      } else if (!presence && asked.has(userId)) this.remove(device, userId);
    }
  }

  private add(connection: LocalConnection, { userId, state }: Presence): void {
    if (!connection.watches.has(userId)) this.counts.set(userId, (this.counts.get(userId) ?? 0) + 1);
    connection.watches.set(userId, state);
    void connection.socket.join(watchRoom(userId));
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

  private async ask(userId: string, add: string[]): Promise<Presence[]> {
    const question = new Map<string, Presence | undefined>(add.map((one) => [one, undefined]));
    this.questions.add(question);
    try {
      const { presence } = await this.tell(userId, add, []);
      return presence.map((one) => question.get(one.userId) ?? one);
    } finally {
      this.questions.delete(question);
    }
  }

  private tell(userId: string, add: string[], remove: string[]) {
    return this.parts.broker.request('presence.watching.v1', { gatewayId: this.parts.broker.instance, userId, add, remove });
  }
}

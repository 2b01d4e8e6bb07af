import { Inject, Injectable } from '@nestjs/common';
import { times, type CallInput } from '@parley/contracts';
import type { LocalConnection } from '../connections/connection.js';
import { PARTS, type GatewayParts } from '../parts.js';

/** Conversations in which one connection may type at a time; the oldest gives way. */
const MOST_PER_CONNECTION = 10;

/** Who types where, at this gateway. History tells the members; that somebody stopped is told for those who say so no more: they went away, or fell silent. */
@Injectable()
export class Typing {
  /** Until when each connection types in which conversation. */
  private readonly active = new Map<LocalConnection, Map<string, number>>();

  constructor(@Inject(PARTS) private readonly parts: Pick<GatewayParts, 'broker'>) {}

  /** Rejects like history does: whoever may not write there may not type. */
  async type(connection: LocalConnection, { conversationId, active }: CallInput<'typing'>): Promise<void> {
    await this.tell(connection, conversationId, active);
    if (!active) return this.forget(connection, conversationId);
    if (!connection.socket.connected) return this.stop(connection, conversationId);
    const here = this.active.get(connection) ?? new Map<string, number>();
    here.delete(conversationId);
    here.set(conversationId, Date.now() + times.typingMs);
    this.active.set(connection, here);
    for (const oldest of here.keys()) {
      if (here.size <= MOST_PER_CONNECTION) break;
      this.stop(connection, oldest);
    }
  }

  /** Tells of those who fell silent. Meant to be called every second. */
  expire(now = Date.now()): void {
    for (const [connection, here] of this.active) {
      for (const [conversationId, until] of here) if (until <= now) this.stop(connection, conversationId);
    }
  }

  /** The connection has ended. */
  drop(connection: LocalConnection): void {
    for (const conversationId of this.active.get(connection)?.keys() ?? []) this.stop(connection, conversationId);
  }

  private stop(connection: LocalConnection, conversationId: string): void {
    this.forget(connection, conversationId);
    // Clients end it by themselves a little later.
    void this.tell(connection, conversationId, false).catch(() => undefined);
  }

  private forget(connection: LocalConnection, conversationId: string): void {
    const here = this.active.get(connection);
    here?.delete(conversationId);
    if (here?.size === 0) this.active.delete(connection);
  }

  private async tell({ userId, id }: LocalConnection, conversationId: string, active: boolean): Promise<void> {
    await this.parts.broker.request('history.typing.v1', { userId, connectionId: id, conversationId, active });
  }
}

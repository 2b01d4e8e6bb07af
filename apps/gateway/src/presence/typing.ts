import { Injectable } from '@nestjs/common';
import { Broker } from '@parley/broker';
import { times, type CallInput } from '@parley/contracts';
import type { LocalConnection } from '../connections/connection.js';

/** Maximum number of conversations in which one connection types at a time; beyond that the oldest ends. */
const MAX_PER_CONNECTION = 10;

/**
 * Tracks typing users by connection at this gateway; history informs the members. The gateway reports the end of
 * typing for clients that closed or fell silent.
 */
@Injectable()
export class Typing {
  /** For each connection: the conversations it types in, and until when. */
  private readonly active = new Map<LocalConnection, Map<string, number>>();

  constructor(private readonly broker: Broker) {}

  /** Rejects with history's error: users who may not write may not type. */
  async type(connection: LocalConnection, { conversationId, active }: CallInput<'typing'>): Promise<void> {
    await this.tellHistory(connection, conversationId, active);
    if (!active) return this.forget(connection, conversationId);
    if (!connection.socket.connected) return this.stop(connection, conversationId);
    const conversations = this.active.get(connection) ?? new Map<string, number>();
    conversations.delete(conversationId);
    conversations.set(conversationId, Date.now() + times.typingMs);
    this.active.set(connection, conversations);
    for (const oldest of conversations.keys()) {
      if (conversations.size <= MAX_PER_CONNECTION) break;
      this.stop(connection, oldest);
    }
  }

  /** Ends the typing of clients that fell silent. `Housekeeping` calls it every second. */
  expire(now = Date.now()): void {
    for (const [connection, conversations] of this.active) {
      for (const [conversationId, until] of conversations) if (until <= now) this.stop(connection, conversationId);
    }
  }

  /** Ends all typing of a connection that has closed. */
  drop(connection: LocalConnection): void {
    for (const conversationId of this.active.get(connection)?.keys() ?? []) this.stop(connection, conversationId);
  }

  private stop(connection: LocalConnection, conversationId: string): void {
    this.forget(connection, conversationId);
    // A failure is harmless, because clients end the typing a little later without it.
    void this.tellHistory(connection, conversationId, false).catch(() => undefined);
  }

  private forget(connection: LocalConnection, conversationId: string): void {
    const conversations = this.active.get(connection);
    conversations?.delete(conversationId);
    if (conversations?.size === 0) this.active.delete(connection);
  }

  private async tellHistory(
    { userId, id, session }: LocalConnection,
    conversationId: string,
    active: boolean,
  ): Promise<void> {
    await this.broker.request('history.typing.v1', {
      userId,
      ...(session.ownerId !== undefined && { ownerId: session.ownerId }),
      connectionId: id,
      conversationId,
      active,
    });
  }
}

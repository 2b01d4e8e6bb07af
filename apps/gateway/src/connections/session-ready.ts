import { Inject, Injectable } from '@nestjs/common';
import { ChatError, limits, times, type ServerEvent, type User } from '@parley/contracts';
import type { LocalConnection } from './connection.js';
import { PARTS, type GatewayParts } from '../parts.js';

const EPOCH_MS = 10_000;
const WAIT_MS = 4_000;
const MOST_AT_ONCE = 1_000;

interface Ask {
  readonly resolve: (user: User | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** Makes `session:ready`. When thousands reconnect at once, their users are asked for together. */
@Injectable()
export class Welcome {
  private asks = new Map<string, Ask[]>();
  private epoch: { value: string; at: number } | undefined;

  constructor(@Inject(PARTS) private readonly parts: Pick<GatewayParts, 'broker' | 'config'>) {}

  /** Rejects with `unauthenticated` for a user who does not exist (any more), and with `unavailable`. */
  async compose(connection: LocalConnection): Promise<ServerEvent<'session:ready'>> {
    const [user, epoch] = await Promise.all([this.user(connection.userId), this.currentEpoch()]);
    if (!user) throw new ChatError('unauthenticated');
    return {
      connectionId: connection.id,
      user,
      serverTime: new Date().toISOString(),
      epoch,
      protocol: 1,
      heartbeatMs: times.heartbeatMs,
      limits: this.limits(),
    };
  }

  private limits() {
    const scale = this.parts.config.USER_LIMIT_SCALE;
    return {
      ...limits,
      messagesPerSecond: limits.messagesPerSecond * scale,
      messageBurst: Math.round(limits.messageBurst * scale),
    };
  }

  private user(userId: string): Promise<User | undefined> {
    return new Promise((resolve, reject) => {
      if (this.asks.size === 0) setImmediate(() => void this.askForAll());
      const ask = { resolve, reject };
      const same = this.asks.get(userId);
      if (same) same.push(ask);
      else this.asks.set(userId, [ask]);
    });
  }

  private async askForAll(): Promise<void> {
    const asks = [...this.asks];
    this.asks = new Map();
    for (let at = 0; at < asks.length; at += MOST_AT_ONCE) void this.askFor(asks.slice(at, at + MOST_AT_ONCE));
  }

  private async askFor(asks: readonly (readonly [string, readonly Ask[]])[]): Promise<void> {
    try {
      const { users } = await this.parts.broker.request(
        'users.known.v1',
        { userIds: asks.map(([userId]) => userId) },
        { deadlineMs: WAIT_MS },
      );
      const known = new Map(users.map((user) => [user.id, user]));
      for (const [userId, waiting] of asks) for (const { resolve } of waiting) resolve(known.get(userId));
    } catch (error) {
      for (const [, waiting] of asks) for (const { reject } of waiting) reject(error);
    }
  }

  /** It changes only when a backup is restored: an old one serves on while history is away. */
  private async currentEpoch(): Promise<string> {
    if (this.epoch && Date.now() - this.epoch.at < EPOCH_MS) return this.epoch.value;
    try {
      const { epoch } = await this.parts.broker.request('history.epoch.v1', {}, { deadlineMs: WAIT_MS });
      this.epoch = { value: epoch, at: Date.now() };
    } catch (error) {
      if (!this.epoch) throw error;
    }
    return this.epoch!.value;
  }
}

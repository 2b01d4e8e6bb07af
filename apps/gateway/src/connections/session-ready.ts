import { Injectable } from '@nestjs/common';
import { Broker } from '@parley/broker';
import { ChatError, times, type ServerEvent, type User } from '@parley/contracts';
import { Batcher } from '@parley/service-kit';
import { GatewayConfig, limitsOf } from '../config.js';
import type { LocalConnection } from './connection.js';

const EPOCH_MAX_AGE_MS = 10_000;
const DEADLINE_MS = 4_000;
const MAX_USERS_PER_REQUEST = 1_000;

/** Composes `session:ready`. When thousands of clients reconnect at once, their users are looked up together. */
@Injectable()
export class SessionReady {
  private readonly users = new Batcher<string, User | undefined>({
    maxItems: MAX_USERS_PER_REQUEST,
    flush: (userIds) => this.lookUp(userIds),
  });
  private epoch: { readonly value: string; readonly at: number } | undefined;

  constructor(
    private readonly broker: Broker,
    private readonly config: GatewayConfig,
  ) {}

  /** Rejects with `unauthenticated` when the user does not exist any more, and with `unavailable`. */
  async compose(connection: LocalConnection): Promise<ServerEvent<'session:ready'>> {
    const [user, epoch] = await Promise.all([this.users.add(connection.userId), this.currentEpoch()]);
    if (!user) throw new ChatError('unauthenticated');
    return {
      connectionId: connection.id,
      user,
      serverTime: new Date().toISOString(),
      epoch,
      protocol: 1,
      heartbeatMs: times.heartbeatMs,
      limits: limitsOf(this.config),
      ...(this.config.ICE_SERVERS.length > 0 && { iceServers: this.config.ICE_SERVERS }),
    };
  }

  private async lookUp(userIds: readonly string[]): Promise<(User | undefined)[]> {
    const { users } = await this.broker.request(
      'users.known.v1',
      { userIds: [...new Set(userIds)] },
      { deadlineMs: DEADLINE_MS },
    );
    const byId = new Map(users.map((user) => [user.id, user]));
    return userIds.map((userId) => byId.get(userId));
  }

  /** The epoch changes only when a backup is restored, so a cached one stays in use while history is unavailable. */
  private async currentEpoch(): Promise<string> {
    if (this.epoch && Date.now() - this.epoch.at < EPOCH_MAX_AGE_MS) return this.epoch.value;
    try {
      const { epoch } = await this.broker.request('history.epoch.v1', {}, { deadlineMs: DEADLINE_MS });
      this.epoch = { value: epoch, at: Date.now() };
    } catch (error) {
      if (!this.epoch) throw error;
    }
    return this.epoch!.value;
  }
}

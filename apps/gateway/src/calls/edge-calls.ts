import { Injectable } from '@nestjs/common';
import { ChatError, type calls, type CallInput, type CallName, type CallOutput } from '@parley/contracts';
import type { LocalConnection } from '../connections/connection.js';
import { Leases } from '../presence/leases.js';
import { PresenceSubscriptions } from '../presence/presence-subscriptions.js';
import { Typing } from '../presence/typing.js';
import type { Client } from './client.js';

/** The calls that the gateway handles itself. */
export type EdgeCallName = { [N in CallName]: (typeof calls)[N]['via'] extends 'edge' ? N : never }[CallName];
type Handlers = {
  readonly [N in EdgeCallName]: (
    input: CallInput<N>,
    connection: LocalConnection,
  ) => CallOutput<N> | Promise<CallOutput<N>>;
};

@Injectable()
export class EdgeCalls {
  private readonly handlers: Handlers = {
    'presence.heartbeat': ({ state }, connection) => {
      this.leases.heartbeat(connection, state);
      return { serverTime: new Date().toISOString() };
    },
    'presence.watch': async ({ userIds }, connection) => ({
      presence: await this.subscriptions.watch(connection, userIds),
    }),
    'presence.unwatch': ({ userIds }, connection) => {
      this.subscriptions.unwatch(connection, userIds);
      return { presence: [] };
    },
    typing: async (input, connection) => {
      await this.typing.type(connection, input);
      return {};
    },
  };

  constructor(
    private readonly leases: Leases,
    private readonly subscriptions: PresenceSubscriptions,
    private readonly typing: Typing,
  ) {}

  async answer(name: EdgeCallName, input: unknown, { connection }: Client): Promise<unknown> {
    if (!connection) throw new ChatError('invalid', 'this call needs a socket');
    return this.handlers[name](input as never, connection);
  }
}

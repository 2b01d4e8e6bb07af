import { Inject, Injectable } from '@nestjs/common';
import { ChatError, type calls, type CallInput, type CallName, type CallOutput } from '@parley/contracts';
import type { Client } from './client.js';
import type { LocalConnection } from '../connections/connection.js';
import { Leases } from '../presence/leases.js';
import { Typing } from '../presence/typing.js';
import { Watches } from '../presence/presence-subscriptions.js';

/** The calls that the gateway answers itself. */
export type EdgeCallName = { [N in CallName]: (typeof calls)[N]['via'] extends 'edge' ? N : never }[CallName];
type Answers = {
  readonly [N in EdgeCallName]: (
    input: CallInput<N>,
    connection: LocalConnection,
  ) => CallOutput<N> | Promise<CallOutput<N>>;
};

@Injectable()
export class EdgeCalls {
  private readonly answers: Answers = {
    'presence.heartbeat': ({ state }, connection) => {
      this.leases.beat(connection, state);
      return { serverTime: new Date().toISOString() };
    },
    'presence.watch': async ({ userIds }, connection) => ({ presence: await this.watches.watch(connection, userIds) }),
    'presence.unwatch': ({ userIds }, connection) => {
      this.watches.unwatch(connection, userIds);
      return { presence: [] };
    },
    typing: async (input, connection) => {
      await this.typing.type(connection, input);
      return {};
    },
  };

  constructor(
    @Inject(Leases) private readonly leases: Leases,
    @Inject(Watches) private readonly watches: Watches,
    @Inject(Typing) private readonly typing: Typing,
  ) {}

  async answer(name: EdgeCallName, input: unknown, { connection }: Client): Promise<unknown> {
    if (!connection) throw new ChatError('invalid', 'this call needs a socket');
    return this.answers[name](input as never, connection);
  }
}

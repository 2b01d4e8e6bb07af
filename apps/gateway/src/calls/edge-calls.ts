import { createRequire } from 'node:module';
import { Injectable } from '@nestjs/common';
import { ChatError, type calls, type CallInput, type CallName, type CallOutput } from '@parley/contracts';
import type { LocalConnection } from '../connections/connection.js';
import { DeploymentMode, GatewayConfig, limitsOf } from '../config.js';
import { FileLinks } from '../files/file-links.js';
import { Leases } from '../presence/leases.js';
import { PresenceSubscriptions } from '../presence/presence-subscriptions.js';
import { Typing } from '../presence/typing.js';
import type { Client } from './client.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

/** The calls that the gateway handles itself. */
export type EdgeCallName = { [N in CallName]: (typeof calls)[N]['via'] extends 'edge' ? N : never }[CallName];
/** Those about the connection over which they come. */
type ConnectionCallName = Exclude<EdgeCallName, 'server.info' | 'attachment.link'>;
type Handlers = {
  readonly [N in ConnectionCallName]: (
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
    private readonly config: GatewayConfig,
    private readonly mode: DeploymentMode,
    private readonly fileLinks: FileLinks,
  ) {}

  async answer(name: EdgeCallName, input: unknown, { connection, session }: Client): Promise<unknown> {
    if (name === 'server.info') return this.serverInfo();
    if (name === 'attachment.link') return this.fileLinks.create(session!, input as CallInput<'attachment.link'>);
    if (!connection) throw new ChatError('invalid', 'this call needs a socket');
    return this.handlers[name](input as never, connection);
  }

  private serverInfo(): CallOutput<'server.info'> {
    return { version, protocol: 1, mode: this.mode.name, limits: limitsOf(this.config) };
  }
}

import {
  WebSocketGateway,
  type OnGatewayConnection,
  type OnGatewayDisconnect,
  type OnGatewayInit,
} from '@nestjs/websockets';
import { calls, ChatError, newId, type Call, type CallName, type ErrorBody } from '@parley/contracts';
import { reached } from '@parley/faults';
import { releaseHandshake } from '@parley/patches';
import { Logger, traceIdOf } from '@parley/service-kit';
import type { Server, Socket } from 'socket.io';
import { AccessTokens } from '../auth/access-tokens.js';
import type { Session } from '../auth/session.js';
import { clientAddress, type Client } from '../calls/client.js';
import { Dispatcher } from '../calls/dispatcher.js';
import { errorBody } from '../calls/error-body.js';
import { RateLimits } from '../calls/rate-limits.js';
import { GatewayConfig } from '../config.js';
import type { LocalConnection } from '../connections/connection.js';
import { Connections } from '../connections/connections.js';
import { PresenceSubscriptions } from '../presence/presence-subscriptions.js';
import { Typing } from '../presence/typing.js';
import { PushListener } from '../push/push-listener.js';

type Answer = { ok: true; data: unknown; traceId: string } | { ok: false; error: ErrorBody };
type Acknowledge = (answer: Answer) => void;

interface SocketData {
  session: Session;
  address: string;
  connection: LocalConnection;
}
type ClientSocket = Socket<never, never, never, SocketData>;

const callByEvent = new Map(
  (Object.entries(calls) as [CallName, Call][]).flatMap(([name, { socket }]) =>
    socket === undefined ? [] : [[socket, name]],
  ),
);

/**
 * Socket.IO's side of the gateway. Nest provides the lifecycle only. Authentication happens in the handshake, because
 * Nest does not await `handleConnection`. One handler answers every event of a client, because an event that no
 * `@SubscribeMessage` names would get no acknowledgement.
 */
@WebSocketGateway()
export class SocketGateway implements OnGatewayInit, OnGatewayConnection, OnGatewayDisconnect {
  constructor(
    private readonly config: GatewayConfig,
    private readonly tokens: AccessTokens,
    private readonly connections: Connections,
    private readonly dispatcher: Dispatcher,
    private readonly limits: RateLimits,
    private readonly pushListener: PushListener,
    private readonly subscriptions: PresenceSubscriptions,
    private readonly typing: Typing,
    private readonly logger: Logger,
  ) {}

  afterInit(server: Server): void {
    for (const part of [this.connections, this.pushListener, this.subscriptions]) part.attach(server);
    server.use((socket, next) => {
      this.authenticate(socket as ClientSocket).then(
        () => next(),
        (error: unknown) => {
          next(this.refusal(error));
          // A connection may ask for any number of handshakes.
          if (error instanceof ChatError && error.code === 'rate_limited') setImmediate(() => socket.conn.close());
        },
      );
    });
  }

  private async authenticate(socket: ClientSocket): Promise<void> {
    if (this.connections.isDraining) throw new ChatError('unavailable', 'this gateway is stopping');
    const address = clientAddress(socket.request, this.config.TRUST_PROXY);
    const session = await this.tokens.verify(socket.handshake.auth['token']).catch(async (error: unknown) => {
      if (error instanceof ChatError) await this.limits.countRefusedHandshake(address);
      throw error;
    });
    await this.limits.admitHandshake(session);
    socket.data.session = session;
    socket.data.address = address;
  }

  /** Arrives at the client as `connect_error` with `data`. */
  private refusal(error: unknown): Error {
    const data = errorBody(error, traceIdOf(), this.logger);
    return Object.assign(new Error(data.message), { data });
  }

  handleConnection(socket: ClientSocket): void {
    releaseHandshake(socket);
    const { session, address } = socket.data;
    const connection = this.connections.add(socket, session, address);
    socket.data.connection = connection;
    const client = {
      // Its kind may change.
      get session() {
        return connection.session;
      },
      address,
      connection,
    };
    // Does not call `next`, because there is no further handler.
    socket.use((event) => void this.receive(client, event));
  }

  handleDisconnect(socket: ClientSocket): void {
    const { connection } = socket.data;
    if (!this.connections.remove(connection)) return;
    if (this.connections.isDraining) this.subscriptions.forget(connection);
    else this.subscriptions.drop(connection);
    this.typing.drop(connection);
  }

  /**
   * Answers every event exactly once. A call without an acknowledgement callback is carried out, and its answer
   * dropped. Never rejects.
   */
  private async receive(
    client: Client & { readonly connection: LocalConnection },
    [event, ...rest]: readonly unknown[],
  ): Promise<void> {
    const { connection } = client;
    const acknowledge = typeof rest.at(-1) === 'function' ? (rest.pop() as Acknowledge) : undefined;
    const requestId = newId();
    const traceId = traceIdOf(requestId);
    const result = Promise.withResolvers<Answer>();
    const refuse = (error: unknown) => result.resolve({ ok: false, error: errorBody(error, traceId, this.logger) });
    const endCall = connection.startCall(() =>
      refuse(new ChatError('unavailable', 'the connection closed before the answer came; repeat the call')),
    );
    this.call(client, event, rest, requestId, traceId).then(
      (data) => result.resolve({ ok: true, data, traceId }),
      refuse,
    );
    const answer = await result.promise;
    await connection.backpressure.writable();
    await reached('gateway.answered');
    try {
      acknowledge?.(answer);
    } catch (error) {
      // Encoding failed, so nothing was sent yet.
      acknowledge?.({ ok: false, error: errorBody(error, traceId, this.logger) });
    } finally {
      endCall();
    }
  }

  private async call(
    client: Client & { readonly connection: LocalConnection },
    event: unknown,
    payload: readonly unknown[],
    requestId: string,
    traceId: string,
  ): Promise<unknown> {
    client.connection.admitCall();
    await reached('gateway.received');
    const name = callByEvent.get(event as string);
    if (name === undefined) return this.refuse(client, 'unknown event');
    if (payload.length !== 1 || !isObject(payload[0])) return this.refuse(client, 'an event takes exactly one object');
    return this.dispatcher.execute(name, payload[0], client, requestId, { traceId });
  }

  /** Counts an event that is no call, and refuses it. */
  private async refuse(client: Client, message: string): Promise<never> {
    await this.limits.admitRequest(client);
    throw new ChatError('invalid', message);
  }
}

const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;

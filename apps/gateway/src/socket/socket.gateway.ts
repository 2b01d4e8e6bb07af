import { Inject } from '@nestjs/common';
import {
  WebSocketGateway,
  type OnGatewayConnection,
  type OnGatewayDisconnect,
  type OnGatewayInit,
} from '@nestjs/websockets';
import { calls, ChatError, newId, type Call, type CallName, type ErrorBody } from '@parley/contracts';
import { reached } from '@parley/faults';
import { releaseHandshake } from '@parley/patches';
import { traceIdOf } from '@parley/service-kit';
import type { Server, Socket } from 'socket.io';
import { clientAddress } from '../calls/client-address.js';
import type { Session } from '../calls/client.js';
import type { LocalConnection } from '../connections/connection.js';
import { Connections } from '../connections/connections.js';
import { Dispatcher } from '../calls/dispatcher.js';
import { describeError } from '../calls/errors.js';
import { PARTS, strategyName, type GatewayParts } from '../parts.js';
import { Pushes } from '../push/pushes.js';
import { verifyToken } from '../auth/jwt.strategy.js';

type Answer = { ok: true; data: unknown; traceId: string } | { ok: false; error: ErrorBody };
type Acknowledge = (answer: Answer) => void;

interface SocketData {
  session: Session;
  address: string;
  connection: LocalConnection;
}
type ClientSocket = Socket<never, never, never, SocketData>;

const byEvent = new Map(
  (Object.entries(calls) as [CallName, Call][]).flatMap(([name, { socket }]) =>
    socket === undefined ? [] : [[socket, name]],
  ),
);

/**
 * The sockets. Nest gives the lifecycle only: authentication is in the handshake, because `handleConnection` is not awaited, and one handler answers
 * everything that a client sends, because an event that no `@SubscribeMessage` names would get no acknowledgement.
 */
@WebSocketGateway()
export class SocketGateway implements OnGatewayInit, OnGatewayConnection, OnGatewayDisconnect {
  constructor(
    @Inject(PARTS) private readonly parts: GatewayParts,
    @Inject(Connections) private readonly connections: Connections,
    @Inject(Dispatcher) private readonly dispatcher: Dispatcher,
    @Inject(Pushes) private readonly pushes: Pushes,
  ) {}

  afterInit(server: Server): void {
    this.connections.attach(server);
    this.pushes.attach(server);
    server.use((socket, next) => {
      this.authenticate(socket as ClientSocket).then(
        () => next(),
        (error: unknown) => next(this.refusal(error)),
      );
    });
  }

  private async authenticate(socket: ClientSocket): Promise<void> {
    if (this.connections.closed) throw new ChatError('unavailable', 'this gateway is stopping');
    socket.data.session = await verifyToken(strategyName(this.parts), socket.handshake.auth['token']);
    socket.data.address = clientAddress(socket.request, this.parts.config.TRUST_PROXY);
  }

  /** Arrives at the client as `connect_error` with `data`. */
  private refusal(error: unknown): Error {
    const { code, message, ...more } = describeError(error, traceIdOf(), this.parts.logger);
    return Object.assign(new Error(message), { data: { code, message, ...more } });
  }

  handleConnection(socket: ClientSocket): void {
    releaseHandshake(socket);
    const connection = this.connections.open(socket, socket.data.session, socket.data.address);
    socket.data.connection = connection;
    // `next` is never called: nothing else listens.
    socket.use((event) => void this.receive(connection, event));
  }

  handleDisconnect(socket: ClientSocket): void {
    this.connections.gone(socket.data.connection);
  }

  /** Answers whatever came, once. Without an acknowledgement callback a call is made all the same, and its outcome told to nobody. Never rejects. */
  private async receive(connection: LocalConnection, [event, ...rest]: readonly unknown[]): Promise<void> {
    const acknowledge = typeof rest.at(-1) === 'function' ? (rest.pop() as Acknowledge) : undefined;
    const requestId = newId();
    const traceId = traceIdOf(requestId);
    const outcome = Promise.withResolvers<Answer>();
    const refuse = (error: unknown) =>
      outcome.resolve({ ok: false, error: describeError(error, traceId, this.parts.logger) });
    const end = connection.begin(() =>
      refuse(new ChatError('unavailable', 'the connection closes before the answer came; repeat the call')),
    );
    this.call(connection, event, rest, requestId, traceId).then(
      (data) => outcome.resolve({ ok: true, data, traceId }),
      refuse,
    );
    const answer = await outcome.promise;
    await connection.outgoing.room();
    await reached('gateway.answered');
    try {
      acknowledge?.(answer);
    } catch (error) {
      // What cannot be encoded was not sent.
      acknowledge?.({ ok: false, error: describeError(error, traceId, this.parts.logger) });
    } finally {
      end();
    }
  }

  private async call(
    connection: LocalConnection,
    event: unknown,
    payload: readonly unknown[],
    requestId: string,
    traceId: string,
  ): Promise<unknown> {
    connection.admit();
    await reached('gateway.received');
    const name = byEvent.get(event as string);
    if (name === undefined) throw new ChatError('invalid', 'unknown event');
    if (payload.length !== 1 || !isObject(payload[0]))
      throw new ChatError('invalid', 'an event takes one object and an acknowledgement');
    return this.dispatcher.execute(name, payload[0], connection, requestId, { traceId });
  }
}

const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;

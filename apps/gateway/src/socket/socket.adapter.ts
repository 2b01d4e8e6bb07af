import type { IncomingMessage, ServerResponse } from 'node:http';
import type { INestApplication } from '@nestjs/common';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { GatheredWrites } from '@parley/patches';
import { Server } from 'socket.io';
import type { GatewayConfig } from '../config.js';
import { addressKey } from '@parley/service-kit';
import { clientAddress } from '../calls/client.js';
import type { Origins } from '../http/origins.js';
import { CONNECT_TIMEOUT_MS, UnconnectedSessions } from './unconnected-sessions.js';

type EngineSession = { readonly request: IncomingMessage };
/** Engine.IO parses the query before its middleware runs. */
type EngineRequest = IncomingMessage & { readonly _query?: Readonly<Record<string, string>> };
interface Refusal {
  readonly status: number;
  readonly reason: string;
  readonly headers?: Readonly<Record<string, string>>;
}
type NestServer = ReturnType<IoAdapter['createIOServer']>;

/** Socket.IO on the HTTP server of the application. */
export class SocketAdapter extends IoAdapter {
  private readonly unconnected: UnconnectedSessions;

  constructor(
    app: INestApplication,
    private readonly origins: Origins,
    private readonly config: GatewayConfig,
  ) {
    super(app);
    this.unconnected = new UnconnectedSessions(config.ADDRESS_LIMIT_SCALE);
  }

  override createIOServer(): NestServer {
    const { listed } = this.origins;
    const server = new Server(this.httpServer, {
      transports: ['websocket', 'polling'],
      serveClient: false,
      perMessageDeflate: false,
      httpCompression: false,
      maxHttpBufferSize: this.config.LIMIT_PACKET_BYTES,
      pingInterval: 10_000,
      pingTimeout: 10_000,
      connectTimeout: CONNECT_TIMEOUT_MS,
      // Browsers apply `cors` to long polling only.
      cors: { origin: listed.includes('*') ? '*' : [...listed] },
    });
    GatheredWrites.of(server);
    // Unlike `allowRequest`, it sees every request, also those of a known session.
    server.engine.use((request: EngineRequest, response: ServerResponse, next: (error?: Error) => void) => {
      const refusal = this.refusal(request);
      if (refusal === undefined) return next();
      const { status, reason, headers } = refusal;
      response.writeHead(status, { 'content-type': 'text/plain', 'cache-control': 'no-store', ...headers });
      response.end(reason);
    });
    server.engine.on('connection', (session: EngineSession) =>
      this.unconnected.opened(session, this.keyOf(session.request)),
    );
    server.use((socket, next) => {
      this.unconnected.asked(socket.conn);
      next();
    });
    // Nest's adapter has types of its own copy of Socket.IO; it only passes the server on.
    return server as unknown as NestServer;
  }

  private refusal(request: EngineRequest): Refusal | undefined {
    const problem = this.origins.hostProblem(request);
    if (problem === 'unreadable') return { status: 400, reason: 'Host is not one host' };
    if (problem === 'unknown') return { status: 403, reason: 'host not allowed' };
    if (!this.origins.allowsPage(request)) return { status: 403, reason: 'origin not allowed' };
    // JSONP hands answers to any page that loads them as a script.
    if (request._query?.['j'] !== undefined) return { status: 403, reason: 'JSONP is not supported' };
    if (request._query?.['sid'] !== undefined) return undefined;
    const excess = this.unconnected.excess(this.keyOf(request));
    if (excess === undefined) return undefined;
    return {
      status: excess === 'address' ? 429 : 503,
      reason: 'too many sessions without a connection',
      headers: { 'retry-after': String(CONNECT_TIMEOUT_MS / 1000) },
    };
  }

  private keyOf(request: IncomingMessage): string {
    return addressKey(clientAddress(request, this.config.TRUST_PROXY));
  }

  /**
   * Does nothing: `SocketGateway` listens by itself, and Nest would hold some kilobytes for each socket to pass
   * messages on.
   */
  override bindMessageHandlers(): void {}
}

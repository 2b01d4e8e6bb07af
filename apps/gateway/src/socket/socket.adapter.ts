import type { IncomingMessage, ServerResponse } from 'node:http';
import type { INestApplication } from '@nestjs/common';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { Server } from 'socket.io';
import type { GatewayConfig } from '../config.js';
import type { Origins } from '../http/origins.js';

/** Engine.IO parses the query before its middleware runs. */
type EngineRequest = IncomingMessage & { readonly _query?: Readonly<Record<string, string>> };
type NestServer = ReturnType<IoAdapter['createIOServer']>;

/** Socket.IO on the HTTP server of the application. */
export class SocketAdapter extends IoAdapter {
  constructor(
    app: INestApplication,
    private readonly origins: Origins,
    private readonly config: GatewayConfig,
  ) {
    super(app);
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
      connectTimeout: 10_000,
      // Browsers apply `cors` to long polling only.
      cors: { origin: listed.includes('*') ? '*' : [...listed] },
    });
    // Unlike `allowRequest`, it sees every request, also those of a known session.
    server.engine.use((request: EngineRequest, response: ServerResponse, next: (error?: Error) => void) => {
      const refusal = this.refusal(request);
      if (refusal === undefined) return next();
      response.writeHead(403, { 'content-type': 'text/plain', 'cache-control': 'no-store' });
      response.end(refusal);
    });
    // Nest's adapter has types of its own copy of Socket.IO; it only passes the server on.
    return server as unknown as NestServer;
  }

  private refusal(request: EngineRequest): string | undefined {
    if (!this.origins.allowsHost(request)) return 'host not allowed';
    if (!this.origins.allowsPage(request)) return 'origin not allowed';
    // JSONP hands answers to any page that loads them as a script.
    return request._query?.['j'] === undefined ? undefined : 'JSONP is not supported';
  }

  /**
   * Does nothing: `SocketGateway` listens by itself, and Nest would hold some kilobytes for each socket to pass
   * messages on.
   */
  override bindMessageHandlers(): void {}
}

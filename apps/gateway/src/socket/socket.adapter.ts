import type { IncomingMessage } from 'node:http';
import type { INestApplication } from '@nestjs/common';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { limits } from '@parley/contracts';
import { Server } from 'socket.io';
import type { GatewayConfig } from '../config.js';

/** Whether a page of this origin may connect: an allowed one, or the gateway's own, whose origin names the requested host. Clients that are no browsers send no origin. */
export const isAllowedOrigin = (allowed: readonly string[], origin: string | undefined, host?: string): boolean =>
  origin === undefined ||
  allowed.includes('*') ||
  allowed.includes(origin) ||
  (host !== undefined && [`http://${host}`, `https://${host}`].includes(origin));

type NestServer = ReturnType<IoAdapter['createIOServer']>;

/** Socket.IO on the HTTP server of the application. */
export class SocketAdapter extends IoAdapter {
  constructor(
    app: INestApplication,
    private readonly config: Pick<GatewayConfig, 'ALLOWED_ORIGINS'>,
  ) {
    super(app);
  }

  override createIOServer(): NestServer {
    const allowed = this.config.ALLOWED_ORIGINS;
    const server = new Server(this.httpServer, {
      transports: ['websocket', 'polling'],
      serveClient: false,
      perMessageDeflate: false,
      httpCompression: false,
      maxHttpBufferSize: limits.packetBytes,
      pingInterval: 10_000,
      pingTimeout: 10_000,
      connectTimeout: 10_000,
      // `cors` restrains long polling only: `allowRequest` decides about a WebSocket.
      cors: { origin: allowed.includes('*') ? '*' : [...allowed] },
      allowRequest: (request: IncomingMessage, decide) => {
        const isAllowed = isAllowedOrigin(allowed, request.headers.origin, request.headers.host);
        decide(isAllowed ? null : 'origin not allowed', isAllowed);
      },
    });
    // Nest's adapter brings another patch version of Socket.IO; it only passes the server on.
    return server as unknown as NestServer;
  }

  /** Does nothing: `SocketGateway` listens by itself, and Nest would hold some kilobytes for each socket to pass messages on. */
  override bindMessageHandlers(): void {}
}

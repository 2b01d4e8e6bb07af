import type { IncomingMessage } from 'node:http';
import type { NestApplication } from '@nestjs/core';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { limits } from '@parley/contracts';
import { Server } from 'socket.io';
import type { GatewayConfig } from '../config.js';

/** Whether a page of this origin may connect: one that is allowed, or the gateway's own, whose origin names the host that was asked. Clients that are no browsers send none. */
export const originAllowed = (allowed: readonly string[], origin: string | undefined, host?: string): boolean =>
  origin === undefined ||
  allowed.includes('*') ||
  allowed.includes(origin) ||
  (host !== undefined && [`http://${host}`, `https://${host}`].includes(origin));

type NestServer = ReturnType<IoAdapter['createIOServer']>;

/** Socket.IO on the HTTP server of the application. */
export class SocketAdapter extends IoAdapter {
  constructor(
    app: NestApplication,
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
      // `cors` restrains long polling only: a WebSocket is let in or not by `allowRequest`.
      cors: { origin: allowed.includes('*') ? '*' : [...allowed] },
      allowRequest: (request: IncomingMessage, decide) => {
        const known = originAllowed(allowed, request.headers.origin, request.headers.host);
        decide(known ? null : 'origin not allowed', known);
      },
    });
    // Nest's adapter brings a Socket.IO of its own, of another patch version; it only passes the server on.
    return server as unknown as NestServer;
  }

  /** `SocketGateway` hears everything by itself: what Nest would hold for each socket to pass messages on is some kilobytes. */
  override bindMessageHandlers(): void {}
}

import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server, type Socket } from 'socket.io';
import { io, type Socket as ClientSocket } from 'socket.io-client';

/** A Socket.IO server on a free port of this machine, and its clients. */
export class SocketServer {
  private readonly clients: ClientSocket[] = [];

  private constructor(
    readonly http: HttpServer,
    readonly sockets: Server,
  ) {}

  static async start(): Promise<SocketServer> {
    const http = createServer((_request, response) => void response.end('ordinary'));
    const server = new Server(http, { perMessageDeflate: false });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    return new SocketServer(http, server);
  }

  get port(): number {
    return (this.http.address() as AddressInfo).port;
  }

  /** Connects a client over WebSocket; returns both ends. */
  async connect(): Promise<{ client: ClientSocket; socket: Socket }> {
    const client = io(`http://127.0.0.1:${this.port}`, {
      transports: ['websocket'],
      forceNew: true,
      reconnection: false,
      auth: { token: 'secret' },
    });
    this.clients.push(client);
    const [socket] = (await once(this.sockets, 'connection')) as [Socket];
    if (!client.connected) await new Promise<void>((resolve) => client.once('connect', resolve));
    return { client, socket };
  }

  async stop(): Promise<void> {
    for (const client of this.clients) client.disconnect();
    await this.sockets.close();
  }
}

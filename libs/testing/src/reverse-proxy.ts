import { createServer, request as requestTo, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

/** The network in front of a server. */
export interface ReverseProxyOptions {
  /** The only path that it passes on, unchanged, with all below it. Default: every path. */
  readonly path?: string;
  /** Whether it answers requests for WebSockets with 403 instead of passing them on. */
  readonly refusesUpgrades?: boolean;
  /** Larger bodies are answered with 413. */
  readonly maxBodyBytes?: number;
}

/** An HTTP reverse proxy on a free port of 127.0.0.1. It passes requests on as they are, with `Host`. */
export class ReverseProxy {
  /** How many bodies were over the limit. */
  refusedBodies = 0;
  private readonly sockets = new Set<Duplex>();

  private constructor(
    private readonly server: Server,
    private readonly target: URL,
    private readonly options: ReverseProxyOptions,
  ) {
    server.on('connection', (socket) => {
      this.sockets.add(socket.once('close', () => this.sockets.delete(socket)));
    });
    server.on('request', (request, response) => this.pass(request, response));
    server.on('upgrade', (request, socket: Duplex, head: Buffer) => this.upgrade(request, socket, head));
  }

  /** A proxy in front of the server at this address, whose path does not matter. */
  static async to(url: string, options: ReverseProxyOptions = {}): Promise<ReverseProxy> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
    return new ReverseProxy(server, new URL(url), options);
  }

  /** Its address, with the path that it passes on. */
  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}${this.options.path ?? ''}`;
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private passes({ url = '' }: IncomingMessage): boolean {
    const { path } = this.options;
    return path === undefined || (url.startsWith(path) && /^(?:[/?]|$)/.test(url.slice(path.length)));
  }

  private pass(request: IncomingMessage, response: ServerResponse): void {
    const { maxBodyBytes = Infinity } = this.options;
    if (!this.passes(request)) return void response.writeHead(404).end('not behind this proxy');
    if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) {
      this.refusedBodies++;
      request.resume().once('end', () => response.writeHead(413).end('<h1>413 Request Entity Too Large</h1>'));
      return;
    }
    const { hostname, port } = this.target;
    const { method, url: path, headers } = request;
    const passed = requestTo({ hostname, port, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.rawHeaders);
      answer.pipe(response);
    });
    passed.once('error', () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
    response.once('close', () => passed.destroy());
    request.pipe(passed);
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.options.refusesUpgrades || !this.passes(request))
      return void socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    const { rawHeaders } = request;
    const lines = rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${rawHeaders[at + 1]}`] : []));
    const server = connect(Number(this.target.port), this.target.hostname, () => {
      server.write(`${request.method} ${request.url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
      server.write(head);
      server.pipe(socket).pipe(server);
    });
    for (const end of [socket, server]) end.on('error', () => void (socket.destroy(), server.destroy()));
    socket.once('close', () => server.destroy());
  }
}

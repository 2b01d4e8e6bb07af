import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** `up`: from the client to the server; `down`: from the server to the client. */
export type Direction = 'up' | 'down';

/** How many of a client's first bytes are kept, to tell connections apart. */
const GREETING_BYTES = 4096;

interface Pipe {
  /** The first bytes of the client. */
  greeting: string;
  readonly client: Socket;
  readonly server: Socket;
}

/**
 * A TCP proxy on a free port of 127.0.0.1 that breaks connections on demand. It forwards bytes in order and unchanged,
 * until instructed to delay them, to drop them silently (half-open), to reset connections, or to refuse them.
 */
export class TcpProxy {
  private readonly pipes = new Set<Pipe>();
  private readonly swallowed = new Set<Direction>();
  private refusing = false;
  private delayMs = 0;

  private constructor(
    private readonly listener: Server,
    private target: { host: string; port: number },
  ) {
    listener.on('connection', (client) => this.accept(client));
  }

  /** Proxies to the host and port of a URL. */
  static async to(url: string): Promise<TcpProxy> {
    const { hostname, port } = new URL(url);
    const listener = createServer({ allowHalfOpen: true, noDelay: true });
    await new Promise<void>((resolve, reject) => listener.once('error', reject).listen(0, '127.0.0.1', resolve));
    return new TcpProxy(listener, { host: hostname, port: Number(port) });
  }

  get port(): number {
    return (this.listener.address() as { port: number }).port;
  }

  get connections(): number {
    return this.pipes.size;
  }

  /** The same URL, through this proxy. */
  url(original: string): string {
    const url = new URL(original);
    url.hostname = '127.0.0.1';
    url.port = String(this.port);
    return url.href;
  }

  /** Delays each chunk, in both directions, by this many milliseconds. */
  latency(ms: number): void {
    this.delayMs = ms;
  }

  /** Resets all connections and accepts new ones. Returns how many there were. */
  cut(): number {
    const cut = this.pipes.size;
    for (const { client, server } of this.pipes) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
    return cut;
  }

  /** Resets all connections and every new one, until `heal()`. */
  refuse(): void {
    this.refusing = true;
    this.cut();
  }

  /** Limits {@link swallow} to connections whose client sent this text at the beginning. */
  only(text: string): void {
    this.text = text;
  }
  private text = '';

  /** Drops bytes and ends of connections in these directions, without an error on either side (half-open). */
  swallow(...directions: Direction[]): void {
    for (const direction of directions) this.swallowed.add(direction);
  }

  /** Forwards to another server from now on. Resets the connections to the previous one. */
  retarget(url: string): void {
    const { hostname, port } = new URL(url);
    this.target = { host: hostname, port: Number(port) };
    this.cut();
  }

  /** Ends delays, dropping and refusing. Resets connections that may have lost bytes. */
  heal(): void {
    if (this.swallowed.size > 0) this.cut();
    this.swallowed.clear();
    this.text = '';
    this.refusing = false;
    this.delayMs = 0;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.listener.close(resolve));
  }

  private accept(client: Socket): void {
    if (this.refusing) {
      client.on('error', () => undefined).resetAndDestroy();
      return;
    }
    const server = connect({ ...this.target, allowHalfOpen: true, noDelay: true });
    const pipe: Pipe = { client, server, greeting: '' };
    client.on('data', (chunk) => {
      if (pipe.greeting.length < GREETING_BYTES) pipe.greeting += chunk.toString('latin1');
    });
    this.pipes.add(pipe);
    this.forward(pipe, client, server, 'up');
    this.forward(pipe, server, client, 'down');
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      socket.on('error', () => other.resetAndDestroy());
      socket.on('close', () => {
        this.pipes.delete(pipe);
        other.destroySoon();
      });
    }
  }

  private forward(pipe: Pipe, from: Socket, to: Socket, direction: Direction): void {
    let waiting = 0;
    let tail = Promise.resolve();
    const pass = (step: () => void): void => {
      if (this.swallowed.has(direction) && pipe.greeting.includes(this.text)) return;
      if (this.delayMs === 0 && waiting === 0) return step();
      const due = Date.now() + this.delayMs;
      waiting += 1;
      tail = tail
        .then(() => delay(Math.max(0, due - Date.now())))
        .then(() => {
          waiting -= 1;
          step();
        });
    };
    from.on('end', () => pass(() => to.end()));
    from.on('data', (chunk) =>
      pass(() => {
        if (to.write(chunk)) return;
        from.pause();
        to.once('drain', () => from.resume());
      }),
    );
  }
}

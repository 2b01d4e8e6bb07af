import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** Which bytes: from the client to the server, or back. */
export type Direction = 'up' | 'down';

/** Bytes of its client that a connection is known by. */
const GREETING = 4096;

interface Pipe {
  /** The first that its client said. */
  greeting: string;
  readonly client: Socket;
  readonly server: Socket;
}

/**
 * A TCP proxy on a free port of 127.0.0.1 that breaks connections on demand. Passes bytes on in order and without change;
 * `tell` it to delay, to swallow silently (half-open), to reset, or to refuse.
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

  /** Each chunk, in either direction, arrives this much later from now on. */
  latency(ms: number): void {
    this.delayMs = ms;
  }

  /** Resets all connections; new ones are accepted. Answers how many there were. */
  cut(): number {
    const cut = this.pipes.size;
    for (const { client, server } of this.pipes) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
    return cut;
  }

  /** Resets all connections, and every new one, until `heal()`. */
  refuse(): void {
    this.refusing = true;
    this.cut();
  }

  /** What is swallowed from now on is only that of connections whose client said this at their beginning. */
  only(text: string): void {
    this.text = text;
  }
  private text = '';

  /** Half-open: from now on bytes in these directions vanish, and so do ends of connections. Nobody is told. */
  swallow(...directions: Direction[]): void {
    for (const direction of directions) this.swallowed.add(direction);
  }

  /** From now on to another server; connections to the one before are reset. */
  retarget(url: string): void {
    const { hostname, port } = new URL(url);
    this.target = { host: hostname, port: Number(port) };
    this.cut();
  }

  /** Ends latency, swallowing and refusing; connections that may have lost bytes are reset. */
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
      if (pipe.greeting.length < GREETING) pipe.greeting += chunk.toString('latin1');
    });
    this.pipes.add(pipe);
    this.forward(pipe, client, server, 'up');
    this.forward(pipe, server, client, 'down');
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('error', () => other.resetAndDestroy());
      one.on('close', () => {
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

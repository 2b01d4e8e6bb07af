import { eventually } from '../eventually.js';

/**
 * The place where one server runs: a process of this machine, or a container. Data and address survive the server's
 * process.
 */
export interface Host {
  readonly place: 'docker' | 'local';
  /** Starts the server, which must not be running. Resolves when the process exists, not when it answers. */
  start(): Promise<void>;
  /** Asks the server to end. Resolves when it has ended. */
  end(): Promise<void>;
  /** Kills all its processes with SIGKILL. Resolves when they have ended. */
  kill(): Promise<void>;
  /** Stops and continues all its processes: SIGSTOP and SIGCONT, or the engine's equivalent. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Runs a program in the server's environment, and waits for its end. */
  run(program: string, ...args: readonly string[]): Promise<void>;
  /** Kills the server if it runs, and deletes its data. */
  remove(): Promise<void>;
  /** Undefined while the server runs, else the end of its output. */
  ended(): string | undefined;
}

/**
 * A server of one test run or one test, which may break it. It ends with the process that started it, also after
 * SIGKILL. Its address stays the same through `kill`, `restart`, `freeze` and `thaw`.
 */
export class PrivateServer {
  private running = false;

  constructor(
    private readonly host: Host,
    readonly url: string,
    private readonly probe: (url: string) => Promise<void>,
    readonly managementUrl?: string,
  ) {}

  get place(): 'docker' | 'local' {
    return this.host.place;
  }

  /** Starts a server and waits until it answers. Removes it if it does not. */
  static async started(
    host: Host,
    url: string,
    probe: (url: string) => Promise<void>,
    managementUrl?: string,
  ): Promise<PrivateServer> {
    const server = new PrivateServer(host, url, probe, managementUrl);
    try {
      await server.start();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** Starts it again with its data, after `kill`. Resolves when it answers. */
  async start(): Promise<void> {
    await this.host.start();
    this.running = true;
    let ended: string | undefined;
    await eventually(
      async () => {
        ended = this.host.ended();
        if (ended === undefined) await this.probe(this.url);
      },
      { timeoutMs: 60_000, intervalMs: 100 },
    );
    if (ended !== undefined) throw new Error(`the server ended at once: ${ended}`);
  }

  /** Crashes it. Memory is lost, data is not. Connections end, and new ones are refused until `start` or `restart`. */
  async kill(): Promise<void> {
    this.running = false;
    await this.host.kill();
  }

  /** Ends it properly if it runs, and starts it again. Resolves when it answers. */
  async restart(): Promise<void> {
    if (this.running) await this.host.end();
    this.running = false;
    await this.start();
  }

  /** From now on it neither answers nor closes connections, until `thaw`. */
  freeze(): Promise<void> {
    return this.host.freeze();
  }

  thaw(): Promise<void> {
    return this.host.thaw();
  }

  /** Runs a program that comes with the server, such as `rabbitmqctl`, as the server's administrator. */
  run(program: string, ...args: readonly string[]): Promise<void> {
    return this.host.run(program, ...args);
  }

  /** Kills it for good, and deletes its data. */
  async stop(): Promise<void> {
    this.running = false;
    await this.host.remove();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

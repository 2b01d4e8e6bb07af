import { eventually } from '../eventually.js';

/**
 * Where one server runs: a process of this machine, or a container. Its data and its address outlive the process in it.
 */
export interface Host {
  readonly place: 'docker' | 'local';
  /** Starts the server, which must not be running. Resolves when the process exists, not when it answers. */
  start(): Promise<void>;
  /** Asks it to end, and resolves when it has. */
  end(): Promise<void>;
  /** SIGKILL, for all of its processes; resolves when they are gone. */
  kill(): Promise<void>;
  /** SIGSTOP and SIGCONT, or what comes closest. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Runs a program beside the server, in its environment, and waits for it. */
  run(program: string, ...args: readonly string[]): Promise<void>;
  /** Kills it if it runs, and deletes its data. */
  remove(): Promise<void>;
  /** undefined while it runs, otherwise what it said last. */
  ended(): string | undefined;
}

/**
 * A server that belongs to one test run, or to one test, which may break it as it likes. Ends with the process that
 * started it, whatever happens to that. The address stays the same through `kill`, `restart`, `freeze` and `thaw`.
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

  /** Starts it and waits until it answers; removes it again when it does not. */
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

  /** Starts it again, with its data, after `kill`. Resolves when it answers. */
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

  /** A crash. Memory is lost, data is not; connections are gone, and new ones refused until `start` or `restart`. */
  async kill(): Promise<void> {
    this.running = false;
    await this.host.kill();
  }

  /** Ends it in good order if it runs, and starts it again. Resolves when it answers. */
  async restart(): Promise<void> {
    if (this.running) await this.host.end();
    this.running = false;
    await this.start();
  }

  /** It neither answers nor closes anything until `thaw`. */
  freeze(): Promise<void> {
    return this.host.freeze();
  }

  thaw(): Promise<void> {
    return this.host.thaw();
  }

  /** Runs a program that comes with the server, such as `rabbitmqctl`, as the server's own administrator would. */
  run(program: string, ...args: readonly string[]): Promise<void> {
    return this.host.run(program, ...args);
  }

  /** For good: kills it and deletes its data. */
  async stop(): Promise<void> {
    this.running = false;
    await this.host.remove();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

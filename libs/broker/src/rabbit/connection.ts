import { backOffMs, endsWithin, pause, type Logger } from '@parley/service-kit';
import { gatherAmqpWrites } from '@parley/patches';
import { connect, type ChannelModel } from 'amqplib';
import { AckSchedule } from './ack-schedule.js';

/**
 * A connection to RabbitMQ that reconnects, with jittered back-off (at most 5 s), until it is closed. Heartbeats detect
 * a half-open connection within 10 s.
 */
export class AmqpConnection {
  /** The reason why it is not connected, for operators. */
  problem: string | undefined = 'not connected yet';
  /** For the acknowledgements of its consumers. */
  readonly acks = new AckSchedule();
  private model: ChannelModel | undefined;
  private readonly waiting = new Set<(model: ChannelModel) => void>();
  private readonly closing = new AbortController();
  private running: Promise<void> | undefined;

  /**
   * @param setUp Runs on every new connection before anybody gets it; when it fails, the connection is closed and
   * another one opened.
   */
  constructor(
    private readonly url: string,
    readonly name: string,
    private readonly logger: Logger,
    private readonly setUp: (model: ChannelModel) => Promise<void> = async () => {},
  ) {}

  open(): void {
    this.running ??= this.run();
  }

  /**
   * The connection, as soon as there is one. Rejects when that takes longer than `ms` milliseconds, or when `signal` is
   * aborted.
   */
  async connected(ms: number, signal?: AbortSignal): Promise<ChannelModel> {
    if (this.model) return this.model;
    return new Promise((resolve, reject) => {
      const settle = (model?: ChannelModel) => {
        this.waiting.delete(settle);
        clearTimeout(timer);
        signal?.removeEventListener('abort', giveUp);
        if (model) resolve(model);
        else reject(new Error(this.problem ?? 'stopped'));
      };
      const giveUp = () => settle();
      const timer = setTimeout(giveUp, ms);
      signal?.addEventListener('abort', giveUp);
      this.waiting.add(settle);
    });
  }

  async close(): Promise<void> {
    this.closing.abort();
    if (this.model) await closeQuietly(this.model);
    // A half-open connection never says that it has closed.
    if (this.running) await endsWithin(1000, this.running);
  }

  private async run(): Promise<void> {
    const { signal } = this.closing;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        await this.connectOnce(() => (failures = 0));
      } catch (error) {
        this.problem = `${this.name}: ${textOf(error)}`;
      }
      if (signal.aborted) return;
      this.logger.warn({ connection: this.name, problem: this.problem }, 'no connection to RabbitMQ; trying again');
      await pause(backOffMs(failures, 100, 5000), signal);
    }
  }

  /** Connects and waits for the end of the connection. */
  private async connectOnce(onUp: () => void): Promise<void> {
    const model = await connect(withHeartbeat(this.url), {
      timeout: 5000,
      noDelay: true,
      keepAlive: true,
      clientProperties: { connection_name: this.name },
    });
    gatherAmqpWrites(model);
    const ended = new Promise<Error | undefined>((resolve) => model.once('close', resolve));
    // Without a listener an 'error' event ends the process; the error arrives with 'close' as well.
    model.on('error', () => undefined);
    if (this.closing.signal.aborted) return closeQuietly(model);
    try {
      await Promise.race([this.setUp(model), ended.then((error) => Promise.reject(error ?? new Error('closed')))]);
    } catch (error) {
      await closeQuietly(model);
      throw error;
    }
    onUp();
    this.problem = undefined;
    this.model = model;
    this.logger.info({ connection: this.name }, 'connected to RabbitMQ');
    for (const settle of this.waiting) settle(model);
    const error = await ended;
    this.model = undefined;
    this.problem = `${this.name}: ${error?.message ?? 'connection closed'}`;
  }
}

/**
 * Closes a connection or channel, in at most 2 s: amqplib never settles the promise when the connection breaks meanwhile.
 */
export async function closeQuietly(closable: { close(): Promise<void> }): Promise<void> {
  await endsWithin(
    2000,
    closable.close().catch(() => undefined),
  );
}

const textOf = (error: unknown): string =>
  error instanceof Error ? error.message || String((error as NodeJS.ErrnoException).code) : String(error);

function withHeartbeat(address: string): string {
  const url = new URL(address);
  if (!url.searchParams.has('heartbeat')) url.searchParams.set('heartbeat', '5');
  return url.href;
}

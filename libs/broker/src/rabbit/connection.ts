import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@parley/service-kit';
import { connect, type ChannelModel } from 'amqplib';
import { atMost } from '../expiring-set.js';
import { backOff } from '../delivery/delivery-runner.js';

/**
 * One connection to RabbitMQ that comes back: after a cut it connects again, with jittered back-off (at most 5 s), until closed. A half-open
 * connection is noticed by heartbeat within 10 s.
 */
export class Link {
  /** Why it is not connected, for people. */
  problem: string | undefined = 'not connected yet';
  private model: ChannelModel | undefined;
  private readonly waiting = new Set<(model: ChannelModel) => void>();
  private readonly halt = new AbortController();
  private running: Promise<void> | undefined;

  /** `setUp` runs on every new connection before anybody gets it; when it fails, the connection is dropped and tried again. */
  constructor(
    private readonly url: string,
    readonly name: string,
    private readonly logger: Logger,
    private readonly setUp: (model: ChannelModel) => Promise<void> = async () => {},
  ) {}

  open(): void {
    this.running ??= this.run();
  }

  /** The connection, as soon as there is one. Rejects when that takes longer than `ms`. */
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
    this.halt.abort();
    if (this.model) await end(this.model);
    // A half-open connection never says that it has closed.
    if (this.running) await atMost(1000, this.running);
  }

  private async run(): Promise<void> {
    for (let failures = 0; !this.halt.signal.aborted; failures++) {
      try {
        await this.once(() => (failures = 0));
      } catch (error) {
        this.problem = `${this.name}: ${error instanceof Error ? error.message || String((error as NodeJS.ErrnoException).code) : String(error)}`;
      }
      if (this.halt.signal.aborted) return;
      this.logger.warn({ connection: this.name, problem: this.problem }, 'no connection to RabbitMQ; trying again');
      await sleep(backOff(failures, 100, 5000), undefined, { signal: this.halt.signal }).catch(() => undefined);
    }
  }

  /** From connecting to the end of the connection. */
  private async once(up: () => void): Promise<void> {
    const model = await connect(withHeartbeat(this.url), {
      timeout: 5000,
      noDelay: true,
      keepAlive: true,
      clientProperties: { connection_name: this.name },
    });
    coalesce(model);
    const ended = new Promise<Error | undefined>((resolve) => model.once('close', resolve));
    // Without a listener an 'error' event ends the process; what matters arrives with 'close'.
    model.on('error', () => undefined);
    if (this.halt.signal.aborted) return end(model);
    try {
      await Promise.race([this.setUp(model), ended.then((error) => Promise.reject(error ?? new Error('closed')))]);
    } catch (error) {
      await end(model);
      throw error;
    }
    up();
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
 * amqplib gives every frame to the socket by itself, which is a system call each and a third of the time of a busy process. Corked, all frames of a turn of the
 * event loop leave in one.
 */
function coalesce(model: ChannelModel): void {
  const { stream } = model.connection as unknown as { stream: Writable };
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
  stream.write = (...args: unknown[]) => {
    if (stream.writableCorked === 0) {
      stream.cork();
      process.nextTick(() => stream.uncork());
    }
    return write(...args);
  };
}

/** Closes what has a `close`; amqplib leaves the promise open for ever when the connection breaks meanwhile. */
export const end = (what: { close(): Promise<void> }): Promise<void> =>
  atMost(
    2000,
    what.close().catch(() => undefined),
  );

function withHeartbeat(address: string): string {
  const url = new URL(address);
  if (!url.searchParams.has('heartbeat')) url.searchParams.set('heartbeat', '5');
  return url.href;
}

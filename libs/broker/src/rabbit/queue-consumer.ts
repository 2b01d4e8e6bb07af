import { backOffMs, endsWithin, pause, withTimeout, type Logger } from '@parley/service-kit';
import type { Channel, ConsumeMessage } from 'amqplib';
import { messageOf } from '../delivery/inbound-message.js';
import type { AckSchedule } from './ack-schedule.js';
import { closeQuietly, type AmqpConnection } from './connection.js';

/** A channel that has so many acknowledgements to send does not wait: RabbitMQ delivers no more than the prefetch, 250 by default. */
const MAX_PENDING_ACKS = 125;

/**
 * The channel of a consumer. Acknowledgements are sent on this channel only, several in one frame where possible, and
 * never after it has closed.
 */
export class ConsumerChannel {
  live = true;
  /**
   * Whether a message has arrived. On a queue with a single active consumer, this consumer is then the active one until
   * the channel closes.
   */
  active = false;
  /** Whether new messages are ignored: they stay with this consumer until the channel closes, and so keep their order. */
  held = false;
  /** Whether we closed it ourselves and a new channel opens immediately. */
  renewed = false;
  /** The lowest delivery tag that is not settled. */
  private lowest = 1;
  private readonly settled = new Set<number>();
  private readonly acknowledged = new Set<number>();
  private pending: number[] = [];

  constructor(
    readonly channel: Channel,
    private readonly schedule: AckSchedule,
  ) {}

  /** Acknowledges a message a little later, together with others of its connection. */
  ack(message: ConsumeMessage): void {
    if (!this.live) return;
    if (this.pending.length === 0) this.schedule.add(this);
    this.pending.push(message.fields.deliveryTag);
    if (this.pending.length === MAX_PENDING_ACKS) this.flush();
  }

  /** Puts a message back into its queue. */
  requeue(message: ConsumeMessage): void {
    if (!this.live) return;
    this.flush();
    const tag = message.fields.deliveryTag;
    this.settled.add(tag);
    this.acknowledged.add(tag);
    try {
      this.channel.nack(message, false, true);
    } catch {
      this.live = false;
    }
  }

  /** Sends the pending acknowledgements now. */
  flush(): void {
    const { pending } = this;
    this.pending = [];
    if (!this.live || pending.length === 0) return;
    for (const tag of pending) this.settled.add(tag);
    const top = this.advance();
    if (top > 0) this.sendAck(top, true);
    for (const tag of pending) {
      if (tag < this.lowest) continue;
      this.acknowledged.add(tag);
      this.sendAck(tag, false);
    }
  }

  /**
   * Moves past all settled tags up to the first one that is not settled. Returns the highest of them that is not
   * acknowledged yet, or 0.
   */
  private advance(): number {
    let top = 0;
    for (; this.settled.delete(this.lowest); this.lowest++) {
      if (!this.acknowledged.delete(this.lowest)) top = this.lowest;
    }
    return top;
  }

  private sendAck(deliveryTag: number, allUpTo: boolean): void {
    try {
      this.channel.ack({ fields: { deliveryTag } } as ConsumeMessage, allUpTo);
    } catch {
      // The channel is closing: the message is redelivered.
      this.live = false;
    }
  }

  /** Closes the channel, and with it the consumer: unacknowledged messages go back to the queue in one step, in order. */
  async close(): Promise<void> {
    this.flush();
    if (!this.live) return;
    this.live = false;
    await closeQuietly(this.channel);
  }
}

/** The queue that a {@link QueueConsumer} consumes, and the functions that it calls. */
export interface QueueConsumerOptions {
  readonly queue: string;
  /** Maximum number of unacknowledged messages. */
  readonly prefetch: number;
  /** Declares the queue and its bindings; called before every subscription. */
  declare(channel: Channel): Promise<void>;
  /** Must arrange that the message is settled. A message for which it throws is dropped. */
  onMessage(message: ConsumeMessage, channel: ConsumerChannel): void;
  /** The queue is consumed again after an interruption of any kind. */
  onResumed?(): void;
}

/**
 * Consumes one queue on a channel of its own, and again after anything that ends it: a cut connection, a channel error,
 * a deleted queue, a cancel by RabbitMQ.
 */
export class QueueConsumer {
  /** The reason why it does not consume, for operators. */
  problem: string | undefined = 'not consuming yet';
  private channel: ConsumerChannel | undefined;
  private consumerTag = '';
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;

  constructor(
    private readonly connection: AmqpConnection,
    readonly options: QueueConsumerOptions,
    private readonly logger: Logger,
  ) {}

  get queue(): string {
    return this.options.queue;
  }
  get active(): boolean {
    return this.channel?.active ?? false;
  }

  /**
   * Resolves when it consumes for the first time. Rejects when that takes longer than `ms` milliseconds, and continues
   * trying.
   */
  async start(ms: number): Promise<void> {
    const { promise: consuming, resolve } = Promise.withResolvers<void>();
    this.running = this.run(resolve);
    if (!(await endsWithin(ms, consuming))) throw new Error(`${this.queue}: ${this.problem}`);
  }

  /** Ignores further messages without telling RabbitMQ: no other consumer gets any before this channel closes. */
  hold(): void {
    if (this.channel) this.channel.held = true;
  }

  /** Tells RabbitMQ to deliver no more. Messages that it delivered are still taken. */
  async cancel(): Promise<void> {
    const { channel } = this;
    if (channel?.live)
      await endsWithin(
        5000,
        channel.channel.cancel(this.consumerTag).catch(() => undefined),
      );
  }

  /** Gives unacknowledged messages back and subscribes again, last in line. */
  async resubscribe(): Promise<void> {
    const { channel } = this;
    if (!channel) return;
    channel.renewed = true;
    await channel.close();
  }

  /** Ends the subscription. Unacknowledged messages go back to the queue, in order. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.channel?.close();
    await this.running;
  }

  private async run(onFirst: () => void): Promise<void> {
    const { signal } = this.stopping;
    let resumed = false;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        await this.consumeOnce(() => {
          failures = 0;
          if (resumed) this.options.onResumed?.();
          resumed = true;
          onFirst();
        });
      } catch (error) {
        this.problem = messageOf(error);
        this.logger.warn({ queue: this.queue, problem: this.problem }, 'not consuming; trying again');
      }
      if (!signal.aborted) await pause(backOffMs(failures, 50, 3000), signal);
    }
    this.problem = 'stopped';
  }

  /** Subscribes and waits for the end of the subscription. */
  private async consumeOnce(onUp: () => void): Promise<void> {
    const model = await this.connection.connected(60_000, this.stopping.signal);
    const channel = new ConsumerChannel(await answered(model.createChannel()), this.connection.acks);
    const ended = Promise.withResolvers<string>();
    channel.channel.on('error', (error: Error) => ended.resolve(error.message));
    channel.channel.once('close', () => {
      channel.live = false;
      ended.resolve('the channel closed');
    });
    try {
      await answered(this.subscribe(channel, ended.resolve));
      if (this.stopping.signal.aborted) return;
      this.channel = channel;
      this.problem = undefined;
      onUp();
      const reason = await ended.promise;
      if (channel.renewed) return;
      this.problem = reason;
      if (!this.stopping.signal.aborted)
        this.logger.info({ queue: this.queue, reason }, 'no longer consuming; subscribing again');
    } finally {
      this.channel = undefined;
      await channel.close();
    }
  }

  private async subscribe(channel: ConsumerChannel, onEnded: (reason: string) => void): Promise<void> {
    await this.options.declare(channel.channel);
    await channel.channel.prefetch(this.options.prefetch);
    const { consumerTag } = await channel.channel.consume(this.queue, (message) => {
      if (message === null) return onEnded('cancelled by the broker');
      channel.active = true;
      if (!channel.held) this.take(message, channel);
    });
    this.consumerTag = consumerTag;
  }

  private take(message: ConsumeMessage, channel: ConsumerChannel): void {
    try {
      this.options.onMessage(message, channel);
    } catch (error) {
      const name = message.properties.type as unknown;
      this.logger.error({ err: error, queue: this.queue, name }, 'a message that could not be taken was dropped');
      channel.ack(message);
    }
  }
}

const ANSWER_TIMEOUT_MS = 10_000;
const answered = <T>(work: Promise<T>): Promise<T> =>
  withTimeout(ANSWER_TIMEOUT_MS, work, () => new Error(`no answer from RabbitMQ within ${ANSWER_TIMEOUT_MS} ms`));

import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@parley/service-kit';
import type { Channel, ConsumeMessage } from 'amqplib';
import { messageOf } from '../delivery/inbound-message.js';
import { atMost } from '../expiring-set.js';
import { backOff } from '../delivery/delivery-runner.js';
import { end, type Link } from './connection.js';

/** What a message came on: acknowledges on that channel only, several at once where that is exact. */
export class Flow {
  live = true;
  /** Whether anything came: of a queue with a single active consumer, this consumer is then it, until its channel closes. */
  active = false;
  /** Takes no more deliveries: they stay this consumer's until the channel closes, and so in order. */
  held = false;
  /** Its end was ours and will be followed by another at once. */
  renewed = false;
  private lowest = 1;
  private readonly settled = new Set<number>();
  private readonly acked = new Set<number>();
  private fresh: number[] = [];

  constructor(readonly channel: Channel) {}

  /** Acknowledges; sent together with others of the same turn of the event loop. */
  done(message: ConsumeMessage): void {
    if (!this.live) return;
    if (this.fresh.length === 0) setImmediate(() => this.flush());
    this.fresh.push(message.fields.deliveryTag);
  }

  /** Puts a message back into its queue. */
  giveBack(message: ConsumeMessage): void {
    if (!this.live) return;
    this.flush();
    const tag = message.fields.deliveryTag;
    this.settled.add(tag);
    this.acked.add(tag);
    try {
      this.channel.nack(message, false, true);
    } catch {
      this.live = false;
    }
  }

  /** Sends the acknowledgements now. */
  flush(): void {
    const { fresh } = this;
    this.fresh = [];
    if (!this.live || fresh.length === 0) return;
    for (const tag of fresh) this.settled.add(tag);
    const top = this.advance();
    if (top > 0) this.ack(top, true);
    for (const tag of fresh) {
      if (tag < this.lowest) continue;
      this.acked.add(tag);
      this.ack(tag, false);
    }
  }

  /** Passes everything settled without a hole; answers the highest tag of it that is not acknowledged yet, or 0. */
  private advance(): number {
    let top = 0;
    for (; this.settled.delete(this.lowest); this.lowest++) if (!this.acked.delete(this.lowest)) top = this.lowest;
    return top;
  }

  private ack(deliveryTag: number, allUpTo: boolean): void {
    try {
      this.channel.ack({ fields: { deliveryTag } } as ConsumeMessage, allUpTo);
    } catch {
      // The channel is closing: it will be delivered again.
      this.live = false;
    }
  }
}

export interface SubscriptionOptions {
  readonly queue: string;
  /** The most deliveries that are not acknowledged yet. */
  readonly prefetch: number;
  /** Declares the queue and its bindings, before every subscription. */
  declare(channel: Channel): Promise<void>;
  onMessage(message: ConsumeMessage, flow: Flow): void;
  /** The queue is consumed again after it was not, for whatever reason. */
  onResumed?(): void;
}

/**
 * Consumes one queue on a channel of its own, and again after anything that ends it: a cut connection, a channel error, a deleted queue,
 * a cancel by the broker.
 */
export class Subscription {
  /** Why it is not consuming, for people. */
  problem: string | undefined = 'not consuming yet';
  private flow: Flow | undefined;
  private consumerTag = '';
  private readonly halt = new AbortController();
  private running: Promise<void> | undefined;

  constructor(
    private readonly link: Link,
    readonly options: SubscriptionOptions,
    private readonly logger: Logger,
  ) {}

  get queue(): string {
    return this.options.queue;
  }
  get active(): boolean {
    return this.flow?.active ?? false;
  }

  /** Resolves when it consumes for the first time; rejects when that takes longer than `ms`, and goes on trying. */
  async start(ms: number): Promise<void> {
    const first = Promise.withResolvers<void>();
    let consumed = false;
    this.running = this.run(() => {
      consumed = true;
      first.resolve();
    });
    await atMost(ms, first.promise);
    // Whatever ended it again meanwhile is overcome like everything later.
    if (!consumed) throw new Error(`${this.queue}: ${this.problem}`);
  }

  /** Takes no more deliveries, without telling the broker: no other consumer gets any before this one's channel closes. */
  hold(): void {
    if (this.flow) this.flow.held = true;
  }

  /** Tells the broker to deliver no more; what it delivered is still taken. */
  async cancel(): Promise<void> {
    const { flow } = this;
    if (flow?.live)
      await atMost(
        5000,
        flow.channel.cancel(this.consumerTag).catch(() => undefined),
      );
  }

  /** Gives back what is not acknowledged, and subscribes again, last in line. */
  async again(): Promise<void> {
    const { flow } = this;
    if (!flow) return;
    flow.renewed = true;
    await closeFlow(flow);
  }

  /** Ends the subscription. What is not acknowledged goes back to its queue, in order. */
  async stop(): Promise<void> {
    this.halt.abort();
    if (this.flow) await closeFlow(this.flow);
    await this.running;
  }

  private async run(first: () => void): Promise<void> {
    let resumed = false;
    for (let failures = 0; !this.halt.signal.aborted; failures++) {
      try {
        await this.once(() => {
          failures = 0;
          if (resumed) this.options.onResumed?.();
          resumed = true;
          first();
        });
      } catch (error) {
        this.problem = messageOf(error);
        this.logger.warn({ queue: this.queue, problem: this.problem }, 'not consuming; trying again');
      }
      if (!this.halt.signal.aborted)
        await sleep(backOff(failures, 50, 3000), undefined, { signal: this.halt.signal }).catch(() => undefined);
    }
    this.problem = 'stopped';
  }

  /** From subscribing to the end of it. */
  private async once(up: () => void): Promise<void> {
    const model = await this.link.connected(60_000, this.halt.signal);
    const channel = await inTime(10_000, model.createChannel());
    const flow = new Flow(channel);
    const ended = Promise.withResolvers<string>();
    channel.on('error', (error: Error) => ended.resolve(error.message));
    channel.once('close', () => {
      flow.live = false;
      ended.resolve('the channel closed');
    });
    try {
      await inTime(10_000, this.subscribe(flow, ended.resolve));
      if (this.halt.signal.aborted) return;
      this.flow = flow;
      this.problem = undefined;
      up();
      const reason = await ended.promise;
      if (flow.renewed) return;
      this.problem = reason;
      if (!this.halt.signal.aborted)
        this.logger.info({ queue: this.queue, reason }, 'no longer consuming; subscribing again');
    } finally {
      this.flow = undefined;
      await closeFlow(flow);
    }
  }

  private async subscribe(flow: Flow, ended: (reason: string) => void): Promise<void> {
    await this.options.declare(flow.channel);
    await flow.channel.prefetch(this.options.prefetch);
    const { consumerTag } = await flow.channel.consume(this.queue, (message) => {
      if (message === null) return ended('cancelled by the broker');
      flow.active = true;
      if (!flow.held) this.take(message, flow);
    });
    this.consumerTag = consumerTag;
  }

  private take(message: ConsumeMessage, flow: Flow): void {
    try {
      this.options.onMessage(message, flow);
    } catch (error) {
      this.logger.error(
        { err: error, queue: this.queue, name: message.properties.type as unknown },
        'a message that could not be taken was dropped',
      );
      flow.done(message);
    }
  }
}

/** Closes the channel, and with it the consumer: what is not acknowledged goes back to the queue in one step. */
async function closeFlow(flow: Flow): Promise<void> {
  flow.flush();
  if (!flow.live) return;
  flow.live = false;
  await end(flow.channel);
}

async function inTime<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>(
    (_, reject) => (timer = setTimeout(() => reject(new Error(`no answer from RabbitMQ within ${ms} ms`)), ms)),
  );
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

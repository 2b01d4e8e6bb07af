import {
  ChatError,
  DEFAULT_SHARDS,
  domainEvents,
  names,
  newId,
  queueOf,
  requests,
  times,
  type DomainEvent,
  type DomainEventName,
  type PushFrame,
  type RequestAnswer,
  type RequestName,
  type RequestPayload,
  type Service,
} from '@parley/contracts';
import { inSpan, outgoingTrace, StartError, type Logger, type Unavailable } from '@parley/service-kit';
import type { ConsumeMessage } from 'amqplib';
import type { Broker, BrokerStatus, Handlers, InstanceListener, Serving } from '../broker.js';
import { PendingRequests, unavailable } from '../deadlines.js';
import { defaultRetries, messageOf, type EventRetries } from '../delivery/inbound-message.js';
import { serviceQueues } from '../delivery/service-queues.js';
import { PushReceiver, RouteNumbers } from '../push-order.js';
import { AmqpConnection } from './connection.js';
import { PublishBatcher, Publisher, type BatchItem, type OutboxLimits, type Publication } from './publisher.js';
import { QueueConsumer, type ConsumerChannel, type QueueConsumerOptions } from './queue-consumer.js';
import { ServiceConsumer, type MessageContext } from './service-consumer.js';
import { declareInstance, declareReplies, EVERYBODY } from './topology.js';
import {
  budgetOf,
  checkedAnswer,
  encodeList,
  encodeRequests,
  forEachAnswer,
  forEachFrame,
  headersOf,
  traceHeaders,
  type OutgoingRequest,
} from './wire-format.js';

/** The settings of {@link createRabbitBroker}. */
export interface RabbitOptions {
  /** `amqp://` or `amqps://`, with the virtual host as its path. */
  readonly url: string;
  /** For the names of connections and queues. */
  readonly service: string;
  readonly logger: Logger;
  readonly shards?: number;
  /** How long `start` and `serve` may take, in milliseconds. Default: 15,000. */
  readonly connectTimeoutMs?: number;
  /**
   * Maximum time that a publication waits for its confirm, cut connections included, in milliseconds. Default: 8,000.
   */
  readonly confirmTimeoutMs?: number;
  /** Default: 20,000 messages, 64 MiB. */
  readonly outbox?: OutboxLimits;
  /** Maximum number of unacknowledged deliveries of one shard or command queue. Default: 250. */
  readonly prefetch?: number;
  /** How often replicas compare their shares of the shards, in milliseconds. Default: 5,000. */
  readonly balanceEveryMs?: number;
  readonly retries?: EventRetries;
}

/** Unacknowledged messages of the queues of an instance. */
const INSTANCE_PREFETCH = 1000;

/** A request on its way: one item of a message to `queue`. */
interface RequestItem extends BatchItem, OutgoingRequest {
  readonly name: RequestName;
  readonly queue: string;
}

class RabbitBroker implements Broker {
  readonly instance = newId();
  private readonly publishing: AmqpConnection;
  private readonly consuming: AmqpConnection;
  private readonly publisher: Publisher;
  private readonly batcher = new PublishBatcher((publication) => this.publisher.send(publication));
  private readonly consumers = new Set<QueueConsumer>();
  private readonly servings = new Set<Serving>();
  private readonly requests = new PendingRequests();
  private readonly numbers = new RouteNumbers(this.instance);
  private readonly replyQueue: string;
  /** The queues of this instance alone. */
  private readonly instanceQueues: string[];
  private readonly logger: Logger;
  private readonly shards: number;
  private readonly connectTimeoutMs: number;
  private readonly confirmTimeoutMs: number;
  private readonly outbox: OutboxLimits;
  private readonly context: MessageContext;
  private state: 'new' | 'open' | 'closing' | 'closed' = 'new';

  constructor(private readonly options: RabbitOptions) {
    const { url, service, logger } = options;
    this.logger = logger;
    this.replyQueue = names.replyQueue(service, this.instance);
    this.instanceQueues = [this.replyQueue];
    this.shards = options.shards ?? DEFAULT_SHARDS;
    this.connectTimeoutMs = options.connectTimeoutMs ?? 15_000;
    this.confirmTimeoutMs = options.confirmTimeoutMs ?? 8_000;
    this.outbox = options.outbox ?? { messages: 20_000, bytes: 64 * 1024 * 1024 };
    this.publisher = new Publisher(this.outbox, this.confirmTimeoutMs, logger);
    this.publishing = new AmqpConnection(url, `${service}: publish`, logger, (model) => this.publisher.use(model));
    this.consuming = new AmqpConnection(url, `${service}: consume`, logger);
    this.context = {
      publisher: this.publisher,
      batcher: this.batcher,
      retries: options.retries ?? defaultRetries,
      confirmTimeoutMs: this.confirmTimeoutMs,
      logger,
    };
  }

  async start(): Promise<void> {
    this.state = 'open';
    this.publishing.open();
    this.consuming.open();
    try {
      await this.publishing.connected(this.connectTimeoutMs);
      await this.consume({
        queue: this.replyQueue,
        prefetch: INSTANCE_PREFETCH,
        declare: (channel) => declareReplies(channel, this.replyQueue),
        onMessage: (message, channel) => this.onAnswers(message, channel),
      });
    } catch (error) {
      await this.close(0);
      throw new StartError(`RabbitMQ at ${new URL(this.options.url).host} cannot be used: ${messageOf(error)}`);
    }
  }

  get status(): BrokerStatus {
    const problems = [
      this.publishing.problem,
      this.consuming.problem,
      ...[...this.consumers].map(({ queue, problem }) => problem && `${queue}: ${problem}`),
    ];
    const reason = this.state === 'open' ? problems.find((problem) => problem !== undefined) : 'not open';
    return reason === undefined ? { ready: true } : { ready: false, reason };
  }

  async request<N extends RequestName>(
    name: N,
    payload: RequestPayload<N>,
    { deadlineMs = times.deadlineMs, correlationId }: { deadlineMs?: number; correlationId?: string } = {},
  ): Promise<RequestAnswer<N>> {
    const content = JSON.stringify(payload);
    const queue = queueOf(name, payload, this.shards);
    const deadline = Math.ceil(Date.now() + deadlineMs);
    return inSpan(
      `request ${name}`,
      'client',
      () =>
        new Promise((resolve, reject) => {
          const id = this.requests.add(deadline, resolve as (answer: unknown) => void, reject);
          if (this.state !== 'open' || this.requests.size > this.outbox.messages)
            return this.requests.settle(id, unavailable('the broker is closed, or too much is under way'));
          const failed = (error: Unavailable | ChatError) =>
            this.requests.settle(
              id,
              error instanceof ChatError ? { error: error.toBody() } : unavailable(error.message),
            );
          const trace = outgoingTrace(correlationId);
          const item: RequestItem = { name, queue, id, trace, deadline, content, failed };
          if (requests[name].together) this.batcher.add(queue, name, item, (items) => this.requestMessage(items));
          else this.batcher.addSingle(queue, { ...this.requestMessage([item]), deadline, failed });
        }),
    );
  }

  /** The message of requests of one name to one queue. */
  private requestMessage(items: readonly RequestItem[]): Omit<Publication, 'deadline' | 'failed'> {
    const { name, queue, id } = items[0]!;
    const isQuery = requests[name].via === 'query';
    const { content, ...properties } = encodeRequests(items);
    return {
      exchange: names.commands,
      key: queue,
      content,
      options: {
        type: name,
        messageId: id,
        replyTo: this.replyQueue,
        mandatory: true,
        persistent: !isQuery,
        ...properties,
        ...(isQuery && { expiration: budgetOf(Math.max(...items.map(({ deadline }) => deadline))) }),
      },
      // Some queries must not run twice: a refresh token can be used only once.
      repeatable: !isQuery,
    };
  }

  async publish<N extends DomainEventName>(
    name: N,
    event: DomainEvent<N>,
    { correlationId }: { correlationId?: string } = {},
  ): Promise<void> {
    const content = Buffer.from(JSON.stringify(event));
    await inSpan(`publish ${name}`, 'producer', () => {
      const { stream, number } = this.numbers.next(name);
      return this.publisher.publish(names.events, name, content, {
        type: name,
        persistent: true,
        headers: { ...traceHeaders(outgoingTrace(correlationId)), stream, number },
      });
    });
  }

  async push(gateway: string, frame: PushFrame): Promise<void> {
    const content = JSON.stringify(frame);
    const trace = outgoingTrace();
    await new Promise<void>((confirmed, failed) => {
      const item = { content, deadline: Date.now() + this.confirmTimeoutMs, confirmed, failed };
      this.batcher.add(gateway, 'frames', item, (frames) => {
        const { stream, number } = this.numbers.next(gateway);
        return {
          exchange: names.push,
          key: gateway,
          content: encodeList(frames),
          repeatable: true,
          options: { type: 'frames', headers: { ...traceHeaders(trace), stream, number } },
        };
      });
    });
  }

  pushAll(frame: PushFrame): Promise<void> {
    return this.push(EVERYBODY, frame);
  }

  async serve(service: Service, handlers: Handlers): Promise<Serving> {
    const { prefetch = 250, balanceEveryMs = 5000 } = this.options;
    const serviceConsumer = new ServiceConsumer({
      service,
      queues: serviceQueues(service, handlers, this.shards, this.logger),
      handlers,
      connection: this.consuming,
      context: this.context,
      prefetch,
      balanceEveryMs,
    });
    const serving: Serving = {
      stop: async (graceMs = 10_000) => {
        if (!this.servings.delete(serving)) return;
        await serviceConsumer.stop(graceMs);
        for (const consumer of serviceConsumer.consumers) this.consumers.delete(consumer);
      },
    };
    this.servings.add(serving);
    for (const consumer of serviceConsumer.consumers) this.consumers.add(consumer);
    try {
      await serviceConsumer.start(this.connectTimeoutMs);
    } catch (error) {
      await serving.stop(0);
      throw new StartError(`${service} cannot consume: ${messageOf(error)}`);
    }
    return serving;
  }

  async listen(listener: InstanceListener): Promise<Serving> {
    const receiver = new PushReceiver(listener);
    const queue = names.pushQueue(this.instance);
    this.instanceQueues.push(queue);
    const consumer = await this.consume({
      queue,
      prefetch: INSTANCE_PREFETCH,
      declare: (channel) => declareInstance(channel, this.instance, listener.events),
      onMessage: (message, channel) => {
        this.onPushes(message, listener, receiver);
        channel.ack(message);
      },
      onResumed: () => listener.onGap(),
    });
    return { stop: () => this.stopConsuming(consumer) };
  }

  async close(graceMs = 10_000): Promise<void> {
    if (this.state === 'closed' || this.state === 'closing') return;
    const until = Date.now() + graceMs;
    await Promise.all([...this.servings].map((serving) => serving.stop(graceMs)));
    this.state = 'closing';
    this.batcher.flush();
    await this.publisher.drained(Math.max(0, until - Date.now()));
    this.requests.settleAll(unavailable('the broker is closed'));
    await Promise.all([...this.consumers].map((consumer) => this.stopConsuming(consumer)));
    await this.deleteInstanceQueues();
    this.publisher.close();
    await Promise.all([this.publishing.close(), this.consuming.close()]);
    this.state = 'closed';
  }

  /** Throws the listener's error, or an error for a malformed message. */
  private onPushes(message: ConsumeMessage, listener: InstanceListener, receiver: PushReceiver): void {
    const { content, fields, properties } = message;
    const { stream, number } = headersOf(message);
    const isNumbered = stream !== undefined && number !== undefined;
    if (isNumbered && !receiver.admit(stream, number, fields.routingKey === this.instance)) return;
    if (fields.exchange !== names.events) return forEachFrame(content, (frame) => receiver.take(frame));
    const name = properties.type as DomainEventName;
    if (listener.events.includes(name))
      listener.onEvent(name, domainEvents[name].parse(JSON.parse(content.toString())));
  }

  private onAnswers(message: ConsumeMessage, channel: ConsumerChannel): void {
    forEachAnswer(message.content, (id, answer) => {
      if (this.requests.has(id)) this.requests.settle(id, checkedAnswer(answer));
    });
    channel.ack(message);
  }

  private async consume(options: QueueConsumerOptions): Promise<QueueConsumer> {
    const consumer = new QueueConsumer(this.consuming, options, this.logger);
    this.consumers.add(consumer);
    await consumer.start(this.connectTimeoutMs);
    return consumer;
  }

  private async stopConsuming(consumer: QueueConsumer): Promise<void> {
    await consumer.stop();
    this.consumers.delete(consumer);
  }

  private async deleteInstanceQueues(): Promise<void> {
    try {
      const channel = await (await this.consuming.connected(0)).createChannel();
      for (const queue of this.instanceQueues) await channel.deleteQueue(queue);
    } catch {
      // Without a connection: they expire a minute later.
    }
  }
}

/**
 * A {@link Broker} on RabbitMQ 3.10 or later. One connection publishes and one consumes. Both reconnect after any
 * failure. Then all consumers subscribe again, and unconfirmed messages are published again. See `topology.ts` for the
 * queues.
 */
export const createRabbitBroker = (options: RabbitOptions): Broker => new RabbitBroker(options);

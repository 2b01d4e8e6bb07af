/** The consumers of a service's queues, and the messages that they take: how each is answered and settled. */
import { ChatError, names, type Service } from '@parley/contracts';
import { backOffMs, endsWithin, pause, type Logger } from '@parley/service-kit';
import type { ConsumeMessage, Options } from 'amqplib';
import type { Handlers } from '../broker.js';
import {
  InboundMessage,
  retryDelayMs,
  type Answer,
  type DeadLetterCause,
  type Envelope,
  type EventRetries,
} from '../delivery/inbound-message.js';
import { MAX_CONCURRENT_HANDLERS, type ServiceQueue } from '../delivery/service-queues.js';
import type { AmqpConnection } from './connection.js';
import type { PublishBatcher, Publisher } from './publisher.js';
import { QueueConsumer, type ConsumerChannel } from './queue-consumer.js';
import { PROBE, ShardBalancer } from './shard-balancer.js';
import { declareReplicas, declareServiceQueue, replicasQueue, retryQueue } from './topology.js';
import {
  decodeRequests,
  encodeAnswer,
  encodeList,
  headersOf,
  isShort,
  readTrace,
  traceHeaders,
  traceIn,
  type Headers,
} from './wire-format.js';

/** The dependencies for settling and answering messages, shared by all messages of one process. */
export interface MessageContext {
  readonly publisher: Publisher;
  readonly batcher: PublishBatcher;
  readonly retries: EventRetries;
  /** How long an answer without a deadline may wait for its confirm, in milliseconds. */
  readonly confirmTimeoutMs: number;
  readonly logger: Logger;
}

/** The dependencies and settings of a {@link ServiceConsumer}. */
export interface ServiceConsumerOptions {
  readonly service: Service;
  readonly queues: readonly ServiceQueue[];
  readonly handlers: Handlers;
  readonly connection: AmqpConnection;
  readonly context: MessageContext;
  /** Maximum number of unacknowledged messages of one shard or command queue. */
  readonly prefetch: number;
  readonly balanceEveryMs: number;
}

interface ConsumedQueue extends ServiceQueue {
  readonly consumer: QueueConsumer;
}

/** The consumers of one service in this process: one for each queue, and its share of the shards. */
export class ServiceConsumer {
  readonly consumers: readonly QueueConsumer[];
  private readonly consumed: readonly ConsumedQueue[];
  private readonly balancer: ShardBalancer | undefined;

  constructor(private readonly options: ServiceConsumerOptions) {
    const { service, connection, context, balanceEveryMs } = options;
    this.consumed = options.queues.map((queue) => ({ ...queue, consumer: this.consumerOf(queue) }));
    const shards = this.consumed.filter(({ kind }) => kind === 'shard');
    this.consumers = this.consumed.map(({ consumer }) => consumer);
    if (shards.length === 0) return;
    const queue = replicasQueue(service);
    this.balancer = new ShardBalancer(connection, shards, queue, context.publisher, balanceEveryMs, context.logger);
    const replica = {
      queue,
      prefetch: 1,
      declare: (channel: Parameters<typeof declareReplicas>[0]) => declareReplicas(channel, service),
      onMessage: (...[message, channel]: Parameters<QueueConsumer['options']['onMessage']>) => channel.ack(message),
    };
    this.consumers = [...this.consumers, new QueueConsumer(connection, replica, context.logger)];
  }

  /** Resolves when all queues are consumed; rejects when that takes longer than `ms` milliseconds. */
  async start(ms: number): Promise<void> {
    await Promise.all(this.consumers.map((consumer) => consumer.start(ms)));
    this.balancer?.start();
  }

  /** Takes no more messages, waits at most `graceMs` for those under way, acknowledges them, and gives the rest back. */
  async stop(graceMs: number): Promise<void> {
    await this.balancer?.stop();
    await Promise.all(this.consumed.map((queue) => takeNoMore(queue)));
    const workers = new Set(this.consumed.map(({ worker }) => worker));
    await endsWithin(graceMs, Promise.all([...workers].map((worker) => worker.stop())));
    await Promise.all(this.consumers.map((consumer) => consumer.stop()));
  }

  private consumerOf(queue: ServiceQueue): QueueConsumer {
    const { service, handlers, context, connection, prefetch } = this.options;
    return new QueueConsumer(
      connection,
      {
        queue: queue.name,
        prefetch: queue.kind === 'shard' || queue.kind === 'command' ? prefetch : 4 * MAX_CONCURRENT_HANDLERS,
        declare: (channel) =>
          declareServiceQueue(channel, queue, service, handlers.events.keys(), context.retries.delaysMs),
        onMessage: (message, channel) => {
          if (message.properties.type === PROBE) return channel.ack(message);
          for (const inbound of inboundMessages(message, { queue: queue.name, service, channel }, context))
            queue.worker.add(inbound);
        },
      },
      context.logger,
    );
  }
}

/** No other replica may get a shard while this one works on it; other queues may be shared. */
async function takeNoMore({ kind, consumer }: ConsumedQueue): Promise<void> {
  if (kind === 'shard') consumer.hold();
  else await consumer.cancel();
}

/** Where a message came from. */
interface MessageSource {
  readonly queue: string;
  readonly service: Service;
  readonly channel: ConsumerChannel;
}

/** The messages in one delivery of RabbitMQ: the delivery itself, or each of several requests that travelled together. */
function inboundMessages(
  delivery: ConsumeMessage,
  source: MessageSource,
  context: MessageContext,
): readonly InboundMessage[] {
  const headers = headersOf(delivery);
  const requests = decodeRequests(delivery.content, headers);
  if (!requests) return [new SingleMessage(delivery, headers, source, context)];
  const { bundle: _bundle, traceparent: _traceparent, ...common } = headers;
  let unsettled = requests.length;
  const settle = () => {
    if (--unsettled === 0) source.channel.ack(delivery);
  };
  return requests.map(([id, trace, budget, payload]) => {
    const own = { ...common, ...traceHeaders(readTrace(trace)), budget };
    return new BundledMessage(delivery, own, source, context, id, payload, settle);
  });
}

/** A request or event from RabbitMQ. Settling it acknowledges the delivery, or its share of it. */
abstract class RabbitMessage extends InboundMessage {
  constructor(
    protected readonly delivery: ConsumeMessage,
    protected readonly headers: Headers,
    protected readonly source: MessageSource,
    private readonly context: MessageContext,
    private readonly requestId: string | undefined,
  ) {
    super(envelopeOf(delivery, headers, source.queue));
  }

  get live(): boolean {
    return this.source.channel.live;
  }

  /** The payload, for publishing it to another queue. */
  protected abstract content(): Buffer;

  answer(answer: Answer): void {
    try {
      this.sendAnswer(answer);
    } catch {
      // JSON cannot hold the answer: a defect of the handler, for which the requester must not wait.
      this.sendAnswer({ error: new ChatError('internal').toBody() });
    }
  }

  private sendAnswer(answer: Answer): void {
    const { batcher, logger, confirmTimeoutMs } = this.context;
    const replyTo = this.delivery.properties.replyTo as string | undefined;
    if (!replyTo || !this.requestId) return;
    const item = {
      content: encodeAnswer(this.requestId, answer),
      deadline: this.deadline ?? Date.now() + confirmTimeoutMs,
      failed: (error: Error) => {
        logger.warn({ err: error, name: this.name }, 'an answer was not sent');
        if (error instanceof ChatError && 'ok' in answer) this.sendAnswer({ error: error.toBody() });
      },
    };
    batcher.add(replyTo, 'answers', item, (items) => ({
      exchange: names.replies,
      key: replyTo,
      content: encodeList(items),
      repeatable: true,
      options: { type: 'answers' },
    }));
  }

  async deadLetter({ reason, detail }: DeadLetterCause): Promise<void> {
    const headers = { ...this.headers, reason, detail: detail.slice(0, 500), queue: this.queue, 'died-at': Date.now() };
    for (let failures = 0; this.live; failures++) {
      try {
        await this.context.publisher.publish(names.dead, '', this.content(), { ...this.properties(), headers });
        return this.ack();
      } catch {
        await pause(backOffMs(failures, 100, 5000));
      }
    }
  }

  async retryLater(): Promise<boolean> {
    const { publisher, retries } = this.context;
    const attempts = this.headers.attempts ?? 0;
    const delayMs = retryDelayMs(retries, attempts);
    if (delayMs === undefined) return false;
    try {
      await publisher.publish(names.commands, retryQueue(this.source.service, delayMs), this.content(), {
        ...this.properties(),
        mandatory: true,
        headers: { ...this.headers, attempts: attempts + 1 },
      });
      this.ack();
    } catch {
      // The retry queue did not confirm the event, so it stays in its own queue.
      this.source.channel.requeue(this.delivery);
    }
    return true;
  }

  /** The properties under which it is published again. */
  private properties(): Options.Publish {
    const { replyTo } = this.delivery.properties;
    const own = { type: this.name, replyTo: replyTo as unknown, correlationId: this.requestId };
    return { persistent: true, ...Object.fromEntries(Object.entries(own).filter(([, value]) => isShort(value))) };
  }
}

function envelopeOf({ properties, fields }: ConsumeMessage, headers: Headers, queue: string): Envelope {
  const { budget, attempts = 0 } = headers;
  return {
    queue,
    name: String(properties.type),
    trace: traceIn(headers, String(properties.messageId ?? 'none')),
    redelivered: fields.redelivered || attempts > 0,
    // By the clock of this process. The time that a request waited in its queue does not count: RabbitMQ drops queries
    // that wait too long, and commands are handled however late.
    deadline: budget === undefined ? undefined : Date.now() + budget,
    expectsReply: properties.replyTo !== undefined,
  };
}

class SingleMessage extends RabbitMessage {
  constructor(delivery: ConsumeMessage, headers: Headers, source: MessageSource, context: MessageContext) {
    super(delivery, headers, source, context, delivery.properties.correlationId as string | undefined);
  }
  protected read(): unknown {
    return JSON.parse(this.delivery.content.toString());
  }
  protected content(): Buffer {
    return this.delivery.content;
  }
  ack(): void {
    this.source.channel.ack(this.delivery);
  }
}

/** One of several requests in one delivery, which is acknowledged when all of them are settled. */
class BundledMessage extends RabbitMessage {
  constructor(
    delivery: ConsumeMessage,
    headers: Headers,
    source: MessageSource,
    context: MessageContext,
    requestId: string,
    private readonly part: unknown,
    private readonly settle: () => void,
  ) {
    super(delivery, headers, source, context, requestId);
  }
  protected read(): unknown {
    return this.part;
  }
  protected content(): Buffer {
    return Buffer.from(JSON.stringify(this.part));
  }
  ack(): void {
    this.settle();
  }
}

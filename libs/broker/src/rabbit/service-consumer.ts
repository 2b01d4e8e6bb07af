import type { Service } from '@parley/contracts';
import { endsWithin } from '@parley/service-kit';
import type { Handlers } from '../broker.js';
import { MAX_CONCURRENT_HANDLERS, type ServiceQueue } from '../delivery/service-queues.js';
import type { AmqpConnection } from './connection.js';
import { QueueConsumer } from './queue-consumer.js';
import { inboundMessages, type MessageContext } from './rabbit-message.js';
import { PROBE, ShardBalancer } from './shard-balancer.js';
import { declareReplicas, declareServiceQueue, replicasQueue } from './topology.js';

/** The dependencies and settings of a {@link ServiceConsumer}. */
export interface ServiceConsumerOptions {
  readonly service: Service;
  readonly queues: readonly ServiceQueue[];
  readonly handlers: Handlers;
  readonly connection: AmqpConnection;
  readonly context: MessageContext;
  /** The most unacknowledged messages of one shard or command queue. */
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

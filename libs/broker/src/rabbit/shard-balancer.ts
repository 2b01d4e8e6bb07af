import { names } from '@parley/contracts';
import { endsWithin, RecurringTask, Unavailable, type Logger } from '@parley/service-kit';
import { messageOf } from '../delivery/inbound-message.js';
import type { Worker } from '../delivery/workers.js';
import { closeQuietly, type AmqpConnection } from './connection.js';
import type { Publisher } from './publisher.js';
import type { QueueConsumer } from './queue-consumer.js';

/** Type of the messages by which a replica finds out which shards it is active on. */
export const PROBE = 'probe';
const PROBE_MS = 5000;
/** Maximum time that a released shard waits for messages under way. */
const RELEASE_TIMEOUT_MS = 10_000;

/** The consumer of a shard queue, and the worker that handles its messages. */
export interface ConsumedShard {
  readonly consumer: QueueConsumer;
  readonly worker: Worker;
}

/**
 * Shares the shards of a service among its replicas. RabbitMQ gives a queue to the consumer that came first and does
 * not rebalance. It does not tell a consumer whether it is the active one. For a quorum queue with a single active
 * consumer, it reports one consumer, however many wait. So:
 * - Every replica also consumes the queue of the service's replicas, a classic queue that stays empty: `checkQueue`
 *   counts its consumers, and they are the replicas.
 * - A replica that gets a message is active on that shard until its channel closes. A shard without traffic gives no
 *   information, so a replica that knows of less than its share sends a tiny probe to every other shard. The active
 *   replica of that shard gets it, learns that it is active, and acknowledges it without handing it to a handler.
 *
 * Every `everyMs` a replica that is active on more than ceil(shards / replicas) shards gives the surplus back. It takes
 * no more messages of such a shard, waits for those under way, and closes the channel, which returns the rest to the
 * queue in order and at once to the next consumer in line; then it subscribes again, last in line. Replicas end with
 * equal shares when their number divides the shards, and at most two apart otherwise. A replica that joins has its
 * share after a few rounds.
 */
export class ShardBalancer {
  private task: RecurringTask | undefined;

  constructor(
    private readonly connection: AmqpConnection,
    private readonly shards: readonly ConsumedShard[],
    private readonly replicasQueue: string,
    private readonly publisher: Publisher,
    private readonly everyMs: number,
    private readonly logger: Logger,
  ) {}

  start(): void {
    this.task = new RecurringTask({
      name: 'balance shards',
      logger: this.logger,
      everyMs: this.everyMs,
      jitter: 0.2,
      run: (signal) => this.balance(signal),
    });
  }
  async stop(): Promise<void> {
    await this.task?.stop();
  }

  private async balance(signal: AbortSignal): Promise<void> {
    const replicas = await this.countReplicas(signal);
    if (replicas < 2 || signal.aborted) return;
    const active = this.shards.filter(({ consumer }) => consumer.active);
    const surplus = active.slice(Math.ceil(this.shards.length / replicas));
    if (surplus.length > 0) {
      this.logger.info(
        { replicas, active: active.length, released: surplus.length },
        'giving shards to other replicas',
      );
      await Promise.all(surplus.map((shard) => this.release(shard)));
    } else if (active.length < Math.floor(this.shards.length / replicas)) {
      for (const { consumer } of this.shards) if (!consumer.active) this.probe(consumer.queue);
    }
  }

  private async release({ consumer, worker }: ConsumedShard): Promise<void> {
    consumer.hold();
    await endsWithin(RELEASE_TIMEOUT_MS, worker.release(consumer.queue));
    await consumer.resubscribe();
  }

  private probe(queue: string): void {
    this.publisher.send({
      exchange: names.commands,
      key: queue,
      content: Buffer.from('null'),
      options: { type: PROBE, expiration: PROBE_MS },
      deadline: Date.now() + PROBE_MS,
      repeatable: false,
    });
  }

  /** Rejects with `Unavailable`. */
  private async countReplicas(signal: AbortSignal): Promise<number> {
    try {
      const channel = await (await this.connection.connected(1000, signal)).createChannel();
      channel.on('error', () => undefined);
      try {
        return (await channel.checkQueue(this.replicasQueue)).consumerCount;
      } finally {
        await closeQuietly(channel);
      }
    } catch (error) {
      throw new Unavailable(messageOf(error), { cause: error });
    }
  }
}

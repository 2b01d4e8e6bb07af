import type { Logger } from '@parley/service-kit';
import { setTimeout as sleep } from 'node:timers/promises';
import { atMost } from '../expiring-set.js';
import type { Intake } from '../delivery/workers.js';
import { end, type Link } from './connection.js';
import type { Subscription } from './queue-consumer.js';

/** Type of the messages by which a replica finds out which shards it is active on. */
export const PROBE = 'probe';

export interface ShardSubscription {
  readonly subscription: Subscription;
  readonly intake: Intake;
}

/**
 * Shares a service's shards among its replicas. RabbitMQ gives a queue to the consumer that came first and does not rebalance; nor does it tell a consumer
 * whether it is the active one, and of a quorum queue with a single active consumer it counts no other. So:
 * - every replica also consumes the service's roster, a classic queue that stays empty: `checkQueue` counts its consumers, and they are the replicas;
 * - whoever gets a delivery is active on that shard until its channel closes. A shard without traffic tells nothing, so a replica that knows of less than
 *   its share sends a tiny probe to each other shard: it reaches whoever is active there, who learns it, acknowledges it, and hands it to nobody.
 *
 * Every `everyMs` a replica that is active on more than ceil(shards / replicas) gives the surplus back: it takes no more of such a shard, lets what is under way end,
 * and closes the channel, which returns the rest to the queue in order and at once to the next in line; then it subscribes again, last in line.
 * Replicas end with equal shares when their number divides the shards, else at most two apart. One that joins has its share after a few rounds.
 */
export class Shares {
  private readonly halt = new AbortController();
  private running: Promise<void> | undefined;

  constructor(
    private readonly link: Link,
    private readonly shards: readonly ShardSubscription[],
    private readonly roster: string,
    private readonly probe: (queue: string) => void,
    private readonly everyMs: number,
    private readonly logger: Logger,
  ) {}

  start(): void {
    this.running = this.run();
  }
  async stop(): Promise<void> {
    this.halt.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    while (!this.halt.signal.aborted) {
      await sleep(this.everyMs * (0.8 + Math.random() * 0.4), undefined, { signal: this.halt.signal }).catch(
        () => undefined,
      );
      if (this.halt.signal.aborted) return;
      await this.balance().catch((error: unknown) =>
        this.logger.debug({ err: error }, 'shares were not balanced this time'),
      );
    }
  }

  private async balance(): Promise<void> {
    const replicas = await this.replicas();
    if (replicas < 2 || this.halt.signal.aborted) return;
    const active = this.shards.filter(({ subscription }) => subscription.active);
    const surplus = active.slice(Math.ceil(this.shards.length / replicas));
    if (surplus.length > 0) {
      this.logger.info(
        { replicas, active: active.length, released: surplus.length },
        'giving shards to other replicas',
      );
      await Promise.all(surplus.map((shard) => this.release(shard)));
    } else if (active.length < Math.floor(this.shards.length / replicas)) {
      for (const { subscription } of this.shards) if (!subscription.active) this.probe(subscription.queue);
    }
  }

  private async release({ subscription, intake }: ShardSubscription): Promise<void> {
    subscription.hold();
    await atMost(10_000, intake.release(subscription.queue));
    await subscription.again();
  }

  private async replicas(): Promise<number> {
    const model = await this.link.connected(1000, this.halt.signal);
    const channel = await model.createChannel();
    channel.on('error', () => undefined);
    try {
      return (await channel.checkQueue(this.roster)).consumerCount;
    } finally {
      await end(channel);
    }
  }
}

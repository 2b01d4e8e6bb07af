import type { Service } from '@parley/contracts';
import type { Logger } from '@parley/service-kit';
import type { Handlers } from '../broker.js';
import { atMost } from '../expiring-set.js';
import { CONCURRENCY, type PlannedQueue } from '../delivery/service-queues.js';
import { arrivalsOf, type Office } from './rabbit-message.js';
import type { Link } from './connection.js';
import { PROBE, Shares, type ShardSubscription } from './shard-balancer.js';
import { Subscription } from './queue-consumer.js';
import { declareRoster, declareServed, rosterQueue } from './topology.js';

export interface ServedOptions {
  readonly service: Service;
  readonly queues: readonly PlannedQueue[];
  readonly handlers: Handlers;
  readonly link: Link;
  readonly office: Office;
  readonly logger: Logger;
  /** The most unacknowledged deliveries of one shard or command queue. */
  readonly prefetch: number;
  readonly balanceEveryMs: number;
  /** Sends a probe to a shard queue. */
  probe(queue: string): void;
}

interface Consumed extends ShardSubscription {
  readonly queue: PlannedQueue;
}

/** The consumers of one service in this process: a subscription per queue, and its share of the shards. */
export class Served {
  readonly subscriptions: readonly Subscription[];
  private readonly consumed: readonly Consumed[];
  private readonly shares: Shares | undefined;

  constructor(private readonly options: ServedOptions) {
    const { service, link, logger, balanceEveryMs } = options;
    this.consumed = options.queues.map((queue) => ({
      queue,
      intake: queue.intake,
      subscription: this.subscription(queue),
    }));
    const shards = this.consumed.filter(({ queue }) => queue.kind === 'shard');
    this.subscriptions = this.consumed.map(({ subscription }) => subscription);
    if (shards.length === 0) return;
    const roster = rosterQueue(service);
    this.shares = new Shares(link, shards, roster, (queue) => options.probe(queue), balanceEveryMs, logger);
    const declare = (channel: Parameters<typeof declareRoster>[0]) => declareRoster(channel, service);
    this.subscriptions = [
      ...this.subscriptions,
      new Subscription(
        link,
        { queue: roster, prefetch: 1, declare, onMessage: (message, flow) => flow.done(message) },
        logger,
      ),
    ];
  }

  /** Resolves when all queues are consumed; rejects when that takes longer than `ms`. */
  async start(ms: number): Promise<void> {
    await Promise.all(this.subscriptions.map((subscription) => subscription.start(ms)));
    this.shares?.start();
  }

  /** Takes no more, lets what is under way end, at most for `graceMs`, acknowledges it, and gives the rest back. */
  async stop(graceMs: number): Promise<void> {
    await this.shares?.stop();
    await Promise.all(this.consumed.map((consumed) => quiet(consumed)));
    await atMost(
      graceMs,
      Promise.all([...new Set(this.consumed.map(({ intake }) => intake))].map((intake) => intake.stop())),
    );
    await Promise.all(this.subscriptions.map((subscription) => subscription.stop()));
  }

  private subscription(queue: PlannedQueue): Subscription {
    const { service, handlers, office, link, logger, prefetch } = this.options;
    return new Subscription(
      link,
      {
        queue: queue.name,
        prefetch: queue.kind === 'shard' || queue.kind === 'command' ? prefetch : 4 * CONCURRENCY,
        declare: (channel) => declareServed(channel, queue, service, handlers.events.keys(), office.retries.delaysMs),
        onMessage: (message, flow) => {
          if (message.properties.type === PROBE) flow.done(message);
          else for (const arrival of arrivalsOf(message, flow, queue.name, service, office)) queue.intake.add(arrival);
        },
      },
      logger,
    );
  }
}

/** Another replica must not get a shard while this one works on it; of the other queues it may have everything at once. */
async function quiet({ queue, subscription }: Consumed): Promise<void> {
  if (queue.kind === 'shard') subscription.hold();
  else await subscription.cancel();
}

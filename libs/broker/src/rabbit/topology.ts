/**
 * Everything that Parley declares on RabbitMQ 3.10 and later; nothing here is deprecated in 4 (no transient shared
 * queues, no global prefetch). Declaring is idempotent and happens again after every reconnect.
 *
 * - `<service>.commands.<k>`: quorum, bound by its own name to `parley.commands`. Beyond 200,000 messages publishers are
 *   refused (`unavailable`).
 * - `<service>.commands`: the same.
 * - `<service>.queries`: classic, bound by its own name to `parley.commands`. At most 20,000 messages; each expires at its
 *   deadline, and the queue a minute after its last consumer, so that requests then fail at once.
 * - `<service>.events`: quorum, bound by the names of events to `parley.events`, and by its own name to
 *   `parley.commands`. Beyond 1,000,000 messages the oldest become dead letters.
 * - `<service>.events.retry.<ms>`: quorum, bound by its own name to `parley.commands`. Each message goes back to
 *   `<service>.events` after this delay.
 * - `<service>.replicas`: classic, not bound. Always empty: its consumers are the replicas that share the shards. Expires
 *   a minute after the last one.
 * - `replies.<service>.<instance>`: classic, bound by its own name to `parley.replies`. At most 50,000 messages. Expires a
 *   minute after its process.
 * - `push.<instance>`: classic, bound by the instance and by `all` to `parley.push`, and by the names of events to
 *   `parley.events`. Beyond 20,000 messages or 64 MiB the oldest are lost, which the listener notices. Expires a minute
 *   after its process.
 * - `parley.dead`: quorum, bound to `parley.dead`. Beyond 100,000 messages the oldest are lost.
 *
 * The queues of an instance are durable with an expiry, not exclusive: they must survive a cut connection, or answers
 * under way would be lost.
 *
 * Nothing goes through the default exchange, which leads to every queue. Commands and replies have topic exchanges
 * although their keys are plain names. RabbitMQ checks routing keys on topic exchanges only, and these checks keep an
 * account from sending commands and answers, and from receiving messages, that it may not.
 */
import { names, type DomainEventName, type Service } from '@parley/contracts';
import type { Channel, ChannelModel } from 'amqplib';
import type { ServiceQueue } from '../delivery/service-queues.js';

/**
 * How often a delivery may go back to its queue (its process died, its connection was cut, its shard went to another
 * replica) before it is a dead letter; a delivery that was only waiting in such a process counts too. RabbitMQ 4's
 * default.
 */
const DELIVERY_LIMIT = 20;
const MINUTE = 60_000;
const MIB = 1024 * 1024;
/** AMQP's code for something that does not exist. */
const NOT_FOUND = 404;
/** The routing key on `parley.push` that reaches every listening instance. */
export const EVERYBODY = 'all';

const quorum = (more: Record<string, unknown>) => ({ durable: true, arguments: { 'x-queue-type': 'quorum', ...more } });
const classic = (more: Record<string, unknown>) => ({
  durable: true,
  arguments: { 'x-queue-type': 'classic', ...more },
});
const commands = {
  'x-delivery-limit': DELIVERY_LIMIT,
  'x-dead-letter-exchange': names.dead,
  'x-dead-letter-strategy': 'at-least-once',
  'x-overflow': 'reject-publish',
  'x-max-length': 200_000,
};

/** What every process needs: the exchanges, and the dead-letter queue, which is bound to the exchange of its name. */
export const shared = {
  exchanges: {
    [names.commands]: 'topic',
    [names.events]: 'topic',
    [names.push]: 'direct',
    [names.replies]: 'topic',
    [names.dead]: 'fanout',
  },
  // Listing dead letters returns them to the queue. By default, RabbitMQ 4 drops a message after 20 returns.
  dead: quorum({ 'x-max-length': 100_000, 'x-delivery-limit': 1_000_000_000 }),
} as const;

/**
 * Declares {@link shared}, unless it exists: the account of a service may not declare it, because it is created
 * together with the accounts.
 */
export async function declareShared(model: ChannelModel): Promise<void> {
  if (await hasShared(model)) return;
  const channel = await model.createChannel();
  channel.on('error', () => undefined);
  for (const [name, type] of Object.entries(shared.exchanges)) await channel.assertExchange(name, type);
  await channel.assertQueue(names.dead, shared.dead);
  await channel.bindQueue(names.dead, names.dead, '');
  await channel.close();
}

async function hasShared(model: ChannelModel): Promise<boolean> {
  const channel = await model.createChannel();
  // A check of something that does not exist fails the channel too.
  channel.on('error', () => undefined);
  try {
    for (const name of Object.keys(shared.exchanges)) await channel.checkExchange(name);
    await channel.checkQueue(names.dead);
  } catch (error) {
    if ((error as { code?: number }).code === NOT_FOUND) return false;
    throw error;
  }
  await channel.close();
  return true;
}

/** Declares a queue that a service consumes, and its bindings. */
export async function declareServiceQueue(
  channel: Channel,
  { name, kind }: ServiceQueue,
  service: Service,
  events: Iterable<string>,
  delays: readonly number[],
): Promise<void> {
  if (kind === 'event') return declareEventQueue(channel, name, service, events, delays);
  await channel.assertQueue(
    name,
    kind === 'query'
      ? classic({ 'x-expires': MINUTE, 'x-overflow': 'reject-publish', 'x-max-length': 20_000 })
      : quorum(kind === 'shard' ? { ...commands, 'x-single-active-consumer': true } : commands),
  );
  await channel.bindQueue(name, names.commands, name);
}

async function declareEventQueue(
  channel: Channel,
  name: string,
  service: Service,
  events: Iterable<string>,
  delays: readonly number[],
): Promise<void> {
  await channel.assertQueue(
    name,
    quorum({ 'x-delivery-limit': DELIVERY_LIMIT, 'x-dead-letter-exchange': names.dead, 'x-max-length': 1_000_000 }),
  );
  for (const event of events) await channel.bindQueue(name, names.events, event);
  await channel.bindQueue(name, names.commands, name);
  for (const delay of delays) {
    const retries = retryQueue(service, delay);
    await channel.assertQueue(
      retries,
      quorum({
        'x-message-ttl': delay,
        'x-dead-letter-exchange': names.commands,
        'x-dead-letter-routing-key': name,
        'x-dead-letter-strategy': 'at-least-once',
        'x-overflow': 'reject-publish',
        'x-delivery-limit': 1_000_000_000,
      }),
    );
    await channel.bindQueue(retries, names.commands, retries);
  }
}

/** The queue in which an event waits `delay` milliseconds before it is tried again. */
export const retryQueue = (service: Service, delay: number): string => `${names.eventQueue(service)}.retry.${delay}`;

/** The queue whose consumers are the replicas of a service. */
export const replicasQueue = (service: Service): string => `${service}.replicas`;

/** Declares the queue whose consumers are the replicas of a service. Nothing is published to it. */
export async function declareReplicas(channel: Channel, service: Service): Promise<void> {
  await channel.assertQueue(replicasQueue(service), classic({ 'x-expires': MINUTE }));
}

/** Declares the queue for the answers to the requests of one process, and binds it. */
export async function declareReplies(channel: Channel, queue: string): Promise<void> {
  await channel.assertQueue(queue, classic({ 'x-expires': MINUTE, 'x-max-length': 50_000 }));
  await channel.bindQueue(queue, names.replies, queue);
}

/**
 * Declares the queue of one gateway, for its own frames, frames to all gateways, and the named events, and binds it.
 */
export async function declareInstance(
  channel: Channel,
  instance: string,
  events: readonly DomainEventName[],
): Promise<void> {
  const queue = names.pushQueue(instance);
  await channel.assertQueue(
    queue,
    classic({ 'x-expires': MINUTE, 'x-max-length': 20_000, 'x-max-length-bytes': 64 * MIB }),
  );
  await channel.bindQueue(queue, names.push, instance);
  await channel.bindQueue(queue, names.push, EVERYBODY);
  for (const event of events) await channel.bindQueue(queue, names.events, event);
}

import { names, requests, type RequestName, type Service, type Via } from '@parley/contracts';
import type { Logger } from '@parley/service-kit';
import type { BatchHandler, Handler, Handlers } from '../broker.js';
import { OrderedWorker, ParallelWorker, type HandlerMap, type Worker } from './workers.js';

/** The kind of a queue: the three kinds of requests (see {@link Via}), or events. */
export type QueueKind = Exclude<Via, 'edge'> | 'event';

/** A queue that a service consumes, and the worker that handles its messages. */
export interface ServiceQueue {
  readonly name: string;
  readonly kind: QueueKind;
  readonly worker: Worker;
}

/** Maximum number of single handlers that run side by side in one process, for queries and for events each. */
export const MAX_CONCURRENT_HANDLERS = 64;

/**
 * The queues that a service consumes, given its handlers, and their workers. The shards share `concurrency` ordered
 * workers, each shard always the same one. Commands have an ordered worker of their own. Queries and events are handled
 * side by side. Throws when a handler belongs to another service, or when the batch handlers of the shards differ in
 * their `concurrency`.
 */
export function serviceQueues(
  service: Service,
  { requests: handlers, events }: Handlers,
  shards: number,
  logger: Logger,
): ServiceQueue[] {
  const via = (kind: QueueKind): HandlerMap =>
    new Map([...handlers].filter(([name]) => routeOf(service, name).via === kind));
  const queues: ServiceQueue[] = [];
  const sharded = via('shard');
  if (sharded.size > 0) {
    const workers = Array.from(
      { length: Math.min(shards, concurrencyOf(sharded) ?? shards) },
      () => new OrderedWorker(sharded, 'wait', logger),
    );
    for (let shard = 0; shard < shards; shard++)
      queues.push({ name: names.shardQueue(service, shard), kind: 'shard', worker: workers[shard % workers.length]! });
  }
  const commands = via('command');
  if (commands.size > 0) {
    const worker = new OrderedWorker(commands, 'wait', logger);
    queues.push({ name: names.commandQueue(service), kind: 'command', worker });
  }
  const queries = via('query');
  if (queries.size > 0) {
    const worker = new ParallelWorker(queries, 'refuse', logger, MAX_CONCURRENT_HANDLERS, true);
    queues.push({ name: names.queryQueue(service), kind: 'query', worker });
  }
  if (events.size > 0) {
    const worker = new ParallelWorker(events, 'retry-later', logger, MAX_CONCURRENT_HANDLERS, false);
    queues.push({ name: names.eventQueue(service), kind: 'event', worker });
  }
  return queues;
}

function routeOf(service: Service, name: string) {
  const route = requests[name as RequestName] as (typeof requests)[RequestName] | undefined;
  if (route?.service !== service) throw new Error(`${name} is not a request of ${service}`);
  return route;
}

/** Undefined without batch handlers. */
function concurrencyOf(handlers: ReadonlyMap<string, Handler | BatchHandler>): number | undefined {
  const counts = new Set(
    [...handlers.values()].flatMap((handler) => (typeof handler === 'object' ? [handler.concurrency] : [])),
  );
  if (counts.size > 1) throw new Error('batch handlers of the same queues must have the same concurrency');
  return counts.values().next().value;
}

import { names, requests, type RequestName, type Service, type Via } from '@parley/contracts';
import type { Logger } from '@parley/service-kit';
import type { BatchHandler, Handler, Handlers } from '../broker.js';
import { Lane, Pool, type HandlerMap, type Intake } from './workers.js';

export type QueueKind = Exclude<Via, 'edge'> | 'event';

/** A queue that a service consumes, and what takes its arrivals. */
export interface PlannedQueue {
  readonly name: string;
  readonly kind: QueueKind;
  readonly intake: Intake;
}

/** Single handlers of one process that run side by side, for queries and for events. */
export const CONCURRENCY = 64;

/**
 * Which queues a service consumes, given its handlers, and the lanes behind them: shards share `lanes` lanes (each shard keeps to one),
 * commands have one of their own, queries and events run side by side. Throws when a handler is another service's, or when batch handlers disagree about lanes.
 */
export function plan(
  service: Service,
  { requests: handlers, events }: Handlers,
  shards: number,
  logger: Logger,
): PlannedQueue[] {
  const via = (kind: QueueKind): HandlerMap =>
    new Map([...handlers].filter(([name]) => routeOf(service, name).via === kind));
  const queues: PlannedQueue[] = [];
  const sharded = via('shard');
  if (sharded.size > 0) {
    const lanes = Array.from(
      { length: Math.min(shards, lanesOf(sharded) ?? shards) },
      () => new Lane(sharded, 'wait', logger),
    );
    for (let shard = 0; shard < shards; shard++)
      queues.push({ name: names.shardQueue(service, shard), kind: 'shard', intake: lanes[shard % lanes.length]! });
  }
  const commands = via('command');
  if (commands.size > 0)
    queues.push({ name: names.commandQueue(service), kind: 'command', intake: new Lane(commands, 'wait', logger) });
  const queries = via('query');
  if (queries.size > 0)
    queues.push({
      name: names.queryQueue(service),
      kind: 'query',
      intake: new Pool(queries, 'refuse', logger, CONCURRENCY, true),
    });
  if (events.size > 0)
    queues.push({
      name: names.eventQueue(service),
      kind: 'event',
      intake: new Pool(events, 'later', logger, CONCURRENCY, false),
    });
  return queues;
}

function routeOf(service: Service, name: string) {
  const route = requests[name as RequestName] as (typeof requests)[RequestName] | undefined;
  if (route?.service !== service) throw new Error(`${name} is not a request of ${service}`);
  return route;
}

function lanesOf(handlers: ReadonlyMap<string, Handler | BatchHandler>): number | undefined {
  const counts = new Set(
    [...handlers.values()].flatMap((handler) => (typeof handler === 'object' ? [handler.lanes] : [])),
  );
  if (counts.size > 1) throw new Error('batch handlers of the same queues must have the same number of lanes');
  return counts.values().next().value;
}

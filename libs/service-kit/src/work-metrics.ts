import { Counter, Histogram, Registry } from 'prom-client';

const registry = new Registry();
const registers = [registry];

/**
 * Metrics of the deliveries that a process handles; {@link Health} serves them beside its own. Labels are names of
 * messages, queues and outcomes, never ids. An increment costs well below a microsecond; nothing is counted per
 * recipient.
 */
export const work = {
  registry,
  /** Deliveries that were handled, by outcome. */
  handled: new Counter({
    name: 'parley_handled_total',
    help: 'Messages of the broker that were handled, by name and end: done, away (a dependency was unavailable), failed',
    labelNames: ['name', 'end'],
    registers,
  }),
  batchSize: new Histogram({
    name: 'parley_batch_size',
    help: 'Messages that were handled in one call',
    labelNames: ['name'],
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
    registers,
  }),
  /** For batches of sends this is the time from taking a batch to its commit. */
  seconds: new Histogram({
    name: 'parley_handling_seconds',
    help: 'Time that one call of a handler took; for message.send.v1 from taking the batch to its commit',
    labelNames: ['name'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers,
  }),
  deadLetters: new Counter({
    name: 'parley_dead_letters_total',
    help: 'Messages that could not be handled and became dead letters, by queue and reason',
    labelNames: ['queue', 'reason'],
    registers,
  }),
} as const;

/** The label of a queue; all shards have one. */
export const queueLabel = (queue: string): string => queue.replace(/\.\d+$/, '');

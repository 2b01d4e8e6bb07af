import { Counter, Histogram, Registry } from 'prom-client';

/**
 * What every process counts of the work that the broker brings it, and of what it stores; {@link Health} shows it beside its own. Labels are names of messages and kinds of ends, never ids.
 * An increment costs well below a microsecond; nothing is counted per recipient.
 */
const registry = new Registry();
const registers = [registry];
export const work = {
  registry,
  /** Messages of the broker that were handled, by what became of them. */
  handled: new Counter({
    name: 'parley_handled_total',
    help: 'Messages of the broker that were handled, by name and end: done, away (a dependency was), failed',
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
  /** For batches that store something this is the time from taking them to their commit. */
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

/** Shards are one queue here. */
export const queueLabel = (queue: string): string => queue.replace(/\.\d+$/, '');

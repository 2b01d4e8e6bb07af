import type { ServerAddresses } from '@parley/testing';
import type { Fleet, Measured, Window } from './fleet.js';
import type { Calls, Pace } from './load.js';
import { quantile } from './stats.js';
import type { Target, TargetName, TargetOptions } from './targets.js';

export type Metrics = Readonly<Record<string, number>>;

export interface Column {
  readonly key: string;
  readonly title: string;
  readonly digits?: number;
  /** Whether the report shows its ratio to the peers. */
  readonly ratio?: boolean;
}

/** A phase is measured in every round and at every target. */
export interface Phase {
  readonly name: string;
  readonly columns: readonly Column[];
  /** The metric per whose unit CPU is reported. */
  readonly per?: string;
  /** The phase's own target, started at first use. Absent: the scenario's target. */
  elsewhere?(): Promise<Place>;
  /** Limits of single parts, to be shown beside it. */
  readonly beside?: readonly LimitName[];
  run(window: Window): Promise<Metrics>;
}

export interface Place {
  readonly target: Target;
  readonly fleet: Fleet;
}

export interface Context extends Place {
  /** Seconds of the measured part of a phase. */
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** A factor for users, connections and rows. */
  readonly size: number;
  readonly servers: ServerAddresses;
  readonly options: TargetOptions;
  /** Registers work for the end of the scenario. */
  after(work: () => Promise<void>): void;
}

/** Limits of RabbitMQ and Postgres alone: saturated, and one operation after another. */
export const limits = {
  queue: 'quorum queue alone',
  insert: 'batched insert alone',
  hop: 'quorum queue, one by one',
  commit: 'insert, one by one',
} as const;
export type LimitName = keyof typeof limits;

export interface Scenario {
  /** The default peers. */
  readonly peers: readonly TargetName[];
  /** Needs a Postgres, because its rows are seeded by SQL. Other modes are left out. */
  readonly clusterOnly?: true;
  /** Load generators per target. */
  readonly generators: number;
  /** Creates and connects users with their conversations. Phases are the same for every target. */
  open(context: Context): Promise<readonly Phase[]>;
}

export const scaled = (count: number, size: number, least = 2): number => Math.max(least, Math.round(count * size));

export const answered: readonly Column[] = [
  { key: 'perSecond', title: 'answered/s', ratio: true },
  { key: 'ackP50', title: 'ack p50 ms', digits: 2, ratio: true },
  { key: 'ackP99', title: 'ack p99 ms', digits: 2, ratio: true },
];
export const received: readonly Column[] = [
  { key: 'deliveries', title: 'deliveries/s', ratio: true },
  { key: 'receivedP50', title: 'received p50 ms', digits: 2, ratio: true },
  { key: 'receivedP99', title: 'received p99 ms', digits: 2, ratio: true },
];
export const failures: Column = { key: 'failed', title: 'failed' };

export const metricsOf = ({
  seconds,
  answered: count,
  received: deliveries,
  failed,
  answerMs,
  receivedMs,
}: Measured): Metrics => ({
  perSecond: count / seconds,
  ackP50: quantile(answerMs, 0.5),
  ackP99: quantile(answerMs, 0.99),
  deliveries: deliveries / seconds,
  receivedP50: quantile(receivedMs, 0.5),
  receivedP99: quantile(receivedMs, 0.99),
  failed,
});

/** A phase that makes calls at a pace. */
export const load = (
  { fleet, warmUpSeconds, seconds }: Context,
  name: string,
  calls: readonly Calls[],
  pace: Pace,
  columns: readonly Column[] = [...answered, ...received, failures],
  per = 'perSecond',
): Phase => ({
  name,
  columns,
  per,
  run: async (window) => metricsOf(await fleet.run(calls, pace, warmUpSeconds, seconds, window)),
});

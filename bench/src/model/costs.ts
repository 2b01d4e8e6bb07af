import type { Sample } from '../report.js';
import { spread } from '../stats.js';
import type { Machine, Part, Pace } from './simulate.js';

/** What `send` measured of one server, as far as the model needs it. */
export interface Measured {
  readonly cores: number;
  readonly phases: readonly {
    readonly name: string;
    readonly perSecond: number;
    readonly ackP50Ms: number;
    /** Share of one core, by program. */
    readonly shares: Readonly<Record<string, number>>;
  }[];
}

/** The medians of a run's rounds. */
export function measuredOf(cores: number, samples: readonly Sample[], server: string): Measured {
  const own = samples.filter((sample) => sample.server === server);
  const median = (some: readonly Sample[], value: (sample: Sample) => number): number => spread(some.map(value)).median;
  return {
    cores,
    phases: [...Map.groupBy(own, ({ phase }) => phase)].map(([name, some]) => ({
      name, perSecond: median(some, ({ metrics }) => metrics['perSecond']!), ackP50Ms: median(some, ({ metrics }) => metrics['ackP50']!),
      shares: Object.fromEntries(Object.keys(some[0]!.cores).map((program) => [program, median(some, (sample) => sample.cores[program] ?? 0)])),
    })),
  };
}

const named = ({ phases }: Measured, name: string): Measured['phases'][number] => {
  const phase = phases.find((one) => one.name === name);
  if (!phase) throw new Error(`the run has no phase “${name}”`);
  return phase;
};

/** Microseconds of CPU of one program: all the time, for a batch, and for each message of a batch. */
export interface Cost {
  /** Share of one core, whether or not there are messages. */
  readonly idle: number;
  readonly fixedUs: number;
  readonly eachUs: number;
}

/**
 * What each program costs, from three phases: two slow ones, in which hardly anything gathers, tell what it does without messages and what one message alone costs; the fastest tells what a message costs among many.
 */
export function costsOf(measured: Measured): Record<string, Cost> {
  const [slow, faster, fast] = [named(measured, '200/s'), named(measured, '500/s'), named(measured, 'saturated, 20 outstanding a sender')];
  return Object.fromEntries(Object.keys(fast.shares).map((program) => {
    const [atSlow, atFaster, atFast] = [slow, faster, fast].map(({ shares }) => shares[program] ?? 0) as [number, number, number];
    const aloneUs = Math.max(0, ((atFaster - atSlow) * 1e6) / (faster.perSecond - slow.perSecond));
    const idle = Math.max(0, atSlow - (aloneUs * slow.perSecond) / 1e6);
    const eachUs = Math.min(aloneUs, Math.max(0, ((atFast - idle) * 1e6) / fast.perSecond));
    return [program, { idle, fixedUs: aloneUs - eachUs, eachUs }];
  }));
}

const CLIENT = 'load generator';
/** Waiting that costs no CPU: the disk of a commit, and of a confirm. */
const COMMIT_US = 250;
const CONFIRM_US = 200;
const WAYS: Readonly<Record<string, { way: readonly string[]; after: readonly string[] }>> = {
  cluster: { way: [CLIENT, 'gateway', 'redis', 'rabbitmq', 'messages', 'postgres', 'messages', 'rabbitmq', 'gateway', CLIENT], after: ['history'] },
  naive: { way: [CLIENT, 'naive', 'postgres', 'naive', CLIENT], after: [] },
};

/** One machine that carries everything, its load generator too. What runs all the time takes its part of the cores from the rest. */
export function machineOf(server: string, cores: number, costs: Readonly<Record<string, Cost>>): Machine {
  const { way, after } = WAYS[server]!;
  const idle = Object.values(costs).reduce((sum, cost) => sum + cost.idle, 0);
  const slower = cores / Math.max(cores / 4, cores - idle);
  const parallel: Readonly<Record<string, number>> = { postgres: 4, rabbitmq: cores };
  const waits: Readonly<Record<string, number>> = { postgres: COMMIT_US, rabbitmq: CONFIRM_US };
  const part = (name: string): Part => ({
    name, fixedUs: (costs[name]?.fixedUs ?? 0) * slower, eachUs: (costs[name]?.eachUs ?? 0) * slower, parallel: parallel[name] ?? 1, waitUs: waits[name] ?? 0,
  });
  return { cores, way, after, parts: Object.fromEntries([...new Set([...way, ...after])].map((name) => [name, part(name)])) };
}

/** As `send` names its phases. */
export function paceOf(phase: string): Pace | undefined {
  const outstanding = /^saturated, (\d+) /.exec(phase)?.[1];
  if (outstanding !== undefined) return { senders: 200, outstanding: Number(outstanding) };
  const perSecond = /^(\d+)\/s$/.exec(phase)?.[1];
  return perSecond === undefined ? undefined : { perSecond: Number(perSecond) };
}

import type { Sample } from '../report.js';
import { spread } from '../stats.js';
import { simulate, type Machine, type Pace, type Part } from './simulate.js';

/** The part of the results of `send` that the model needs. */
export interface Measured {
  readonly cores: number;
  readonly phases: readonly {
    readonly name: string;
    readonly perSecond: number;
    readonly ackP50Ms: number;
    /** Busy share of one core, by program. */
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
      name,
      perSecond: median(some, ({ metrics }) => metrics['perSecond']!),
      ackP50Ms: median(some, ({ metrics }) => metrics['ackP50']!),
      shares: Object.fromEntries(
        Object.keys(some[0]!.cores).map((program) => [program, median(some, (sample) => sample.cores[program] ?? 0)]),
      ),
    })),
  };
}

/** Microseconds of CPU of one program: per batch, per sender in it, and per message. */
export interface Cost {
  readonly fixedUs: number;
  readonly senderUs: number;
  readonly eachUs: number;
}
export type Costs = Readonly<Record<string, Cost>>;

/** The costs are fitted to these phases; the others test the model. */
export const FITTED: readonly string[] = [
  'saturated, 1 outstanding a sender',
  'saturated, 5 outstanding a sender',
  '200/s',
];
const ROUNDS = 15;
const FITTING_SECONDS = 3;

/** One phase's equation for a program: how often each of its three costs occurs per message, and their measured sum. */
interface Point {
  readonly times: readonly [batches: number, senders: number, messages: 1];
  readonly us: number;
}

/**
 * Fits the costs of each program. The number of messages per batch is not measured, but follows from the costs. So the
 * fit looks for costs with which the simulation spends, for each program and in each of the {@link FITTED} phases, the
 * measured CPU time per message (least squares of the relative errors, repeated with the batches that the simulation
 * forms with the costs found before).
 */
export function costsOf(measured: Measured, server: string): Costs {
  const phases = measured.phases.filter(({ name }) => FITTED.includes(name));
  if (phases.length < FITTED.length) throw new Error(`the run lacks one of the phases ${FITTED.join('; ')}`);
  const usOf = (phase: Measured['phases'][number], program: string): number =>
    ((phase.shares[program] ?? 0) * 1e6) / phase.perSecond;
  const programs = partsOf(server);
  let costs: Costs = Object.fromEntries(
    programs.map((program) => {
      const all = phases.map((phase) => usOf(phase, program));
      const eachUs = Math.min(...all);
      return [program, { eachUs, senderUs: 0, fixedUs: Math.max(...all) - eachUs }];
    }),
  );
  for (let round = 0; round < ROUNDS; round++) {
    const runs = phases.map((phase) => ({
      phase,
      run: simulate(machineOf(server, measured.cores, costs), paceOf(phase.name)!, FITTING_SECONDS),
    }));
    costs = Object.fromEntries(
      programs.map((program) => {
        const points = runs
          .map(({ phase, run }): Point => ({
            times: [run.batches[program] ?? 1, run.senders[program] ?? 1, 1],
            us: usOf(phase, program),
          }))
          .filter(({ us }) => us > 0);
        const before = costs[program]!;
        const [fixedUs, senderUs, eachUs] = fit(points, [before.fixedUs, before.senderUs, before.eachUs]);
        return [
          program,
          {
            fixedUs: (before.fixedUs + fixedUs) / 2,
            senderUs: (before.senderUs + senderUs) / 2,
            eachUs: (before.eachUs + eachUs) / 2,
          },
        ];
      }),
    );
  }
  return costs;
}

/** The three non-negative costs whose sums come nearest to the measurements, by coordinate descent. */
function fit(points: readonly Point[], from: readonly [number, number, number]): readonly [number, number, number] {
  const costs = [...from] as [number, number, number];
  for (let turn = 0; turn < 2000; turn++) {
    for (const own of [0, 1, 2] as const) {
      let above = 0;
      let below = 0;
      for (const { times, us } of points) {
        const rest = us - times.reduce((sum, count, at) => sum + (at === own ? 0 : count * costs[at]!), 0);
        above += (times[own] * rest) / us ** 2;
        below += (times[own] / us) ** 2;
      }
      costs[own] = below === 0 ? 0 : Math.max(0, above / below);
    }
  }
  return costs;
}

const CLIENT = 'load generator';
/** Waiting without CPU: the disk for a commit and for a confirm. */
const COMMIT_US = 250;
const CONFIRM_US = 200;
const WAYS: Readonly<Record<string, { way: readonly string[]; after: readonly string[] }>> = {
  cluster: {
    way: [CLIENT, 'gateway', 'redis', 'rabbitmq', 'messages', 'postgres', 'messages', 'rabbitmq', 'gateway', CLIENT],
    after: ['history'],
  },
  naive: { way: [CLIENT, 'naive', 'postgres', 'naive', CLIENT], after: [] },
};

const partsOf = (server: string): string[] => [...new Set([...WAYS[server]!.way, ...WAYS[server]!.after])];

/** One machine that runs everything, including the load generator; `replicas` of some programs instead of one. */
export function machineOf(
  server: string,
  cores: number,
  costs: Costs,
  processes: Readonly<Record<string, number>> = {},
): Machine {
  const { way, after } = WAYS[server]!;
  const parallel: Readonly<Record<string, number>> = { postgres: Math.max(4, cores), rabbitmq: cores, ...processes };
  const waits: Readonly<Record<string, number>> = { postgres: COMMIT_US, rabbitmq: CONFIRM_US };
  const part = (name: string): Part => ({
    name,
    fixedUs: costs[name]?.fixedUs ?? 0,
    senderUs: costs[name]?.senderUs ?? 0,
    eachUs: costs[name]?.eachUs ?? 0,
    parallel: parallel[name] ?? 1,
    waitUs: waits[name] ?? 0,
  });
  return { cores, way, after, parts: Object.fromEntries(partsOf(server).map((name) => [name, part(name)])) };
}

/** The names that `send` gives to its phases. */
export function paceOf(phase: string): Pace | undefined {
  const outstanding = /^saturated, (\d+) /.exec(phase)?.[1];
  if (outstanding !== undefined) return { senders: 200, outstanding: Number(outstanding) };
  const perSecond = /^(\d+)\/s$/.exec(phase)?.[1];
  return perSecond === undefined ? undefined : { senders: 200, perSecond: Number(perSecond) };
}

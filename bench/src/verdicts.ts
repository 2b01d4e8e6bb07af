import type { Sample } from './report.js';
import { spread, type Spread } from './stats.js';
import { generator } from './usage.js';

/** A goal: the compared values, and when it is met. */
interface Aim {
  readonly what: string;
  readonly scenario: string;
  readonly aim: string;
  /** One value per round; none if it was not measured. */
  measured(samples: readonly Sample[]): number[];
  met(value: number): boolean;
}

const of = (samples: readonly Sample[], server: string, phase: string): Sample[] =>
  samples.filter((sample) => sample.server === server && sample.phase.includes(phase));

/** The ratio of two targets' metric, round by round. */
const ratio =
  (server: string, peer: string, phase: string, key: string) =>
  (samples: readonly Sample[]): number[] =>
    of(samples, server, phase).flatMap((own) =>
      of(samples, peer, phase)
        .filter(({ round, phase: same }) => round === own.round && same === own.phase)
        .map((other) => own.metrics[key]! / other.metrics[key]!),
    );
const plain =
  (phase: string, key: string) =>
  (samples: readonly Sample[]): number[] =>
    of(samples, 'cluster', phase).map(({ metrics }) => metrics[key]!);

const microseconds = ({ cores, metrics }: Sample, programs: (name: string) => boolean): number =>
  (Object.entries(cores)
    .filter(([name]) => programs(name))
    .reduce((sum, [, share]) => sum + share, 0) *
    1e6) /
  metrics['perSecond']!;
const allServers = (name: string): boolean => name !== generator;

function gatewayCost(samples: readonly Sample[]): number[] {
  const [own, bare] = [of(samples, 'cluster', 'saturated, 5'), of(samples, 'bare', 'saturated, 5')];
  return own.flatMap((sample) =>
    bare
      .filter(({ round }) => round === sample.round)
      .map(
        (other) => microseconds(sample, (name) => name === 'gateway') / microseconds(other, (name) => name === 'bare'),
      ),
  );
}
const growth =
  (from: string, to: string, value: (sample: Sample) => number) =>
  (samples: readonly Sample[]): number[] => {
    const [small, big] = [of(samples, 'cluster', from), of(samples, 'cluster', to)];
    return big.flatMap((sample) =>
      small.filter(({ round }) => round === sample.round).map((other) => value(sample) / value(other)),
    );
  };
const atLeast =
  (least: number) =>
  (value: number): boolean =>
    value >= least;
const atMost =
  (most: number) =>
  (value: number): boolean =>
    value <= most;

/** Parley's goals. Ratios within one run; a cluster of one gateway and one messages service. */
export const aims: readonly Aim[] = [
  {
    what: 'sending at saturation, 5 unanswered each ÷ naive',
    scenario: 'send',
    aim: '≥ 1.6',
    measured: ratio('cluster', 'naive', 'saturated, 5', 'perSecond'),
    met: atLeast(1.6),
  },
  {
    what: 'sending at saturation, 1 unanswered each ÷ naive',
    scenario: 'send',
    aim: '≥ 1.3',
    measured: ratio('cluster', 'naive', 'saturated, 1', 'perSecond'),
    met: atLeast(1.3),
  },
  {
    what: 'send→ack p50 at 1,000/s ÷ naive',
    scenario: 'send',
    aim: '≤ 2.0',
    measured: ratio('cluster', 'naive', '1000/s', 'ackP50'),
    met: atMost(2),
  },
  {
    what: 'send→ack p99 at 1,000/s ÷ naive',
    scenario: 'send',
    aim: '≤ 2.0',
    measured: ratio('cluster', 'naive', '1000/s', 'ackP99'),
    met: atMost(2),
  },
  {
    what: 'embedded at saturation, 5 unanswered each ÷ naive',
    scenario: 'send',
    aim: '≥ 0.7',
    measured: ratio('embedded', 'naive', 'saturated, 5', 'perSecond'),
    met: atLeast(0.7),
  },
  {
    what: 'the gateway’s CPU a message ÷ bare Socket.IO’s for the same (an echo and two emits)',
    scenario: 'send',
    aim: '≤ 2',
    measured: gatewayCost,
    met: atMost(2),
  },
  {
    what: 'deliveries/s in a room of 100 ÷ naive',
    scenario: 'room',
    aim: '≥ 1.0',
    measured: ratio('cluster', 'naive', 'a group of 100,', 'deliveries'),
    met: atLeast(1),
  },
  {
    what: 'deliveries/s in a group of 50 ÷ bare Socket.IO',
    scenario: 'fanout',
    aim: '≥ 0.9',
    measured: ratio('cluster', 'bare', 'a group of 50,', 'deliveries'),
    met: atLeast(0.9),
  },
  {
    what: 'deliveries/s in a group of 500 ÷ bare Socket.IO',
    scenario: 'fanout',
    aim: '≥ 0.9',
    measured: ratio('cluster', 'bare', 'a group of 500,', 'deliveries'),
    met: atLeast(0.9),
  },
  {
    what: 'memory of an idle connection ÷ bare Socket.IO',
    scenario: 'connect',
    aim: '≤ 1.3',
    measured: ratio('cluster', 'bare', 'handshakes', 'kbEach'),
    met: atMost(1.3),
  },
  {
    what: 'a page of 50 amid 10⁶ messages ÷ its bare SQL, p50',
    scenario: 'history',
    aim: '≤ 2',
    measured: plain('a page of 50 amid 1000000', 'timesSql'),
    met: atMost(2),
  },
  {
    what: 'a page of 50 amid 10⁶ messages ÷ amid 10⁴, p50',
    scenario: 'history',
    aim: '≤ 1.1',
    measured: growth('a page of 50 amid 10000 ', 'a page of 50 amid 1000000', ({ metrics }) => metrics['ackP50']!),
    met: atMost(1.1),
  },
  {
    what: 'unread of 1,000 conversations, ms of Postgres’ CPU',
    scenario: 'history',
    aim: '≤ 15',
    measured: (samples) =>
      of(samples, 'cluster', '/unread').map((sample) => microseconds(sample, (name) => name === 'postgres') / 1000),
    met: atMost(15),
  },
  {
    what: 'CPU of all parts a message with 10⁶ stored messages ÷ with 10⁴',
    scenario: 'scale',
    aim: '≤ 1.2',
    measured: growth('10000 stored messages', '1000000 stored messages', (sample) => microseconds(sample, allServers)),
    met: atMost(1.2),
  },
];

const shown = ({ median, least, most }: Spread): string =>
  least === most ? median.toFixed(2) : `${median.toFixed(2)} (${least.toFixed(2)}–${most.toFixed(2)})`;

/** One line per measured goal: medians of the rounds, minimum and maximum in brackets. */
export function verdicts(all: ReadonlyMap<string, readonly Sample[]>): string {
  const rows = aims.flatMap(({ what, scenario, aim, measured, met }) => {
    const value = spread(measured(all.get(scenario) ?? []));
    return Number.isFinite(value.median)
      ? [`| ${what} | ${aim} | ${shown(value)} | ${met(value.median) ? 'met' : 'not met'} |`]
      : [];
  });
  return ['| | wanted | measured | |', '| --- | --- | ---: | --- |', ...rows].join('\n');
}

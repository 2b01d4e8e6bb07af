import { cpus, release } from 'node:os';
import type { Column, Metrics, Phase } from './scenario.js';
import { spread } from './stats.js';
import { generator } from './usage.js';

/** The measurement of one target in one round of one phase. */
export interface Sample {
  readonly phase: string;
  readonly server: string;
  readonly round: number;
  readonly metrics: Metrics;
  /** Busy share of one core, by program. */
  readonly cores: Readonly<Record<string, number>>;
  /** Megabytes, by program. */
  readonly memory: Readonly<Record<string, number>>;
  /** Microseconds of the machine's monotonic clock, as in CPU profiles. */
  readonly fromUs: number;
  readonly toUs: number;
}

const show = (value: number, digits: number): string => (Number.isFinite(value) ? value.toFixed(digits) : '-');

/** `12.3 (11.9–14.0)`; without the spread if there is one value only. */
function withSpread(values: readonly number[], digits: number): string {
  const { median, least, most } = spread(values);
  if (!Number.isFinite(median)) return '-';
  return least === most
    ? show(median, digits)
    : `${show(median, digits)} (${show(least, digits)}–${show(most, digits)})`;
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map((_, index) => (index === 0 ? '---' : '---:')), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');

const by = (samples: readonly Sample[], server: string): Sample[] =>
  samples.filter((sample) => sample.server === server);
const digitsOf = ({ digits }: Column, value: number): number => digits ?? (Math.abs(value) < 10 ? 2 : 0);
const valuesOf = (samples: readonly Sample[], key: string): number[] =>
  samples.map(({ metrics }) => metrics[key] ?? Number.NaN);

/** Medians of the measurements, then the ratios of the products to the peers, round by round. */
export function phaseReport(
  { name, columns, per }: Phase,
  samples: readonly Sample[],
  products: readonly string[],
): string {
  const servers = [...new Set(samples.map(({ server }) => server))];
  const figures = servers.map((server) => [
    server,
    ...columns.map((column) => {
      const values = valuesOf(by(samples, server), column.key);
      return withSpread(values, digitsOf(column, values[0] ?? 0));
    }),
  ]);
  const divided = columns.filter(({ ratio }) => ratio);
  const ratios = products
    .filter((product) => servers.includes(product))
    .flatMap((product) =>
      servers
        .filter((server) => !products.includes(server))
        .map((server) => [
          `${product} ÷ ${server}`,
          ...divided.map(({ key }) => withSpread(quotients(by(samples, product), by(samples, server), key), 2)),
        ]),
    );
  const parts = [`### ${name}`, table(['', ...columns.map(({ title }) => title)], figures)];
  if (ratios.length > 0 && divided.length > 0)
    parts.push(table(['ratio', ...divided.map(({ title }) => title)], ratios));
  const busy = servers.map((server) => usage(server, by(samples, server), per)).filter((line) => line !== undefined);
  if (busy.length > 0)
    parts.push(table(['', 'CPU, share of a core', per === undefined ? '' : 'CPU each', 'memory MB'], busy));
  return parts.join('\n\n');
}

/** Ratios are taken within a round, because a disturbance of the machine affects all measurements of the round. */
const quotients = (own: readonly Sample[], others: readonly Sample[], key: string): number[] =>
  own.flatMap((sample) =>
    others
      .filter(({ round }) => round === sample.round)
      .map(({ metrics }) => (sample.metrics[key] ?? Number.NaN) / (metrics[key] ?? Number.NaN)),
  );

function usage(server: string, samples: readonly Sample[], per: string | undefined): string[] | undefined {
  const programs = Object.keys(samples[0]?.cores ?? {});
  if (programs.length === 0) return undefined;
  const share = (program: string): number => spread(samples.map(({ cores }) => cores[program] ?? 0)).median;
  const each = (program: string): number =>
    spread(samples.map(({ cores, metrics }) => ((cores[program] ?? 0) * 1e6) / (metrics[per ?? ''] ?? Number.NaN)))
      .median;
  const worth = programs.filter((program) => share(program) >= 0.005);
  const memory = Object.keys(samples[0]!.memory).map(
    (program) => `${program} ${show(spread(samples.map((sample) => sample.memory[program] ?? Number.NaN)).median, 0)}`,
  );
  const served = worth.filter((program) => program !== generator);
  const costs = served.map((program) => `${program} ${show(each(program), 0)}`);
  const total = show(
    served.reduce((sum, program) => sum + each(program), 0),
    0,
  );
  return [
    server,
    worth.map((program) => `${program} ${show(share(program), 2)}`).join(', '),
    per === undefined ? '' : `${total} µs: ${costs.join(', ')}`,
    memory.join(', '),
  ];
}

export interface Machine {
  readonly cores: number;
  readonly model: string;
  readonly kernel: string;
  readonly node: string;
  readonly postgres: string;
  readonly fsync: string;
  readonly rabbitmq: string;
  readonly redis: string;
}

export const machineOf = (versions: Pick<Machine, 'postgres' | 'fsync' | 'rabbitmq' | 'redis'>): Machine => ({
  cores: cpus().length,
  model: cpus()[0]?.model ?? '?',
  kernel: release(),
  node: process.version,
  ...versions,
});

export const machineLine = ({ cores, model, node, postgres, fsync, rabbitmq, redis }: Machine): string =>
  `${cores} cores (${model}), loopback, Node ${node}, RabbitMQ ${rabbitmq}, Postgres ${postgres} (fsync ${fsync}), Redis ${redis}; load generators and servers on the same machine`;

/**
 * `node bench/dist/model/model.js RESULTS.json`: fits costs per program to a run of `send`, and prints the simulation
 * beside the measurement.
 */
import { readFileSync } from 'node:fs';
import type { Sample } from '../report.js';
import { costsOf, FITTED, machineOf, measuredOf, paceOf, type Costs, type Measured } from './costs.js';
import { simulate } from './simulate.js';

/** The simulated phases, measured and predicted. */
function compared(
  measured: Measured,
  costs: Costs,
): { name: string; measured: number; predicted: number; measuredMs: number; predictedMs: number }[] {
  const machine = machineOf('cluster', measured.cores, costs);
  return measured.phases.flatMap(({ name, perSecond, ackP50Ms }) => {
    const pace = paceOf(name);
    if (pace === undefined) return [];
    const { perSecond: predicted, ackP50Ms: predictedMs } = simulate(machine, pace);
    return [{ name, measured: perSecond, predicted, measuredMs: ackP50Ms, predictedMs }];
  });
}

/** Predictions for more cores and more processes. */
function beyond(costs: Costs): string[][] {
  const machines = [
    [2, 1],
    [4, 1],
    [4, 2],
    [8, 2],
    [8, 4],
    [16, 4],
    [16, 8],
    [32, 8],
  ] as const;
  return machines.map(([cores, processes]) => {
    const machine = machineOf('cluster', cores, costs, {
      'load generator': processes,
      gateway: processes,
      messages: processes,
      history: processes,
    });
    const { perSecond, ackP50Ms, cpuUs } = simulate(machine, { senders: 1000, outstanding: 5 }, 3);
    const busy = Object.entries(cpuUs)
      .map(([name, us]) => ({ name, share: (us * perSecond) / 1e6 / machine.parts[name]!.parallel }))
      .toSorted((a, b) => b.share - a.share)[0]!;
    const used = (Object.values(cpuUs).reduce((sum, us) => sum + us, 0) * perSecond) / 1e6 / cores;
    return [
      String(cores),
      String(processes),
      perSecond.toFixed(0),
      ackP50Ms.toFixed(0),
      used > 0.95 ? 'the cores' : `${busy.name} (${(busy.share * 100).toFixed(0)} % busy)`,
    ];
  });
}

/** Each part's CPU per message, and the messages per second of one core, with many messages in flight. */
function carried(measured: Measured, costs: Costs): string[][] {
  const { cpuUs } = simulate(machineOf('cluster', measured.cores, costs), { senders: 200, outstanding: 20 });
  return Object.entries(cpuUs).map(([name, us]) => [name, us.toFixed(0), (Math.round(1e4 / us) * 100).toFixed(0)]);
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map((_, at) => (at === 0 ? '---' : '---:')), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');

function main(): void {
  const measured = fromResults(process.argv[2] ?? '');
  const costs = costsOf(measured, 'cluster');
  const rows = Object.entries(costs);
  const out = [
    `${measured.cores} cores; microseconds of CPU`,
    table(
      ['', 'a batch', 'each sender in it', 'each message of it'],
      rows.map(([name, cost]) => [name, ...[cost.fixedUs, cost.senderUs, cost.eachUs].map((us) => us.toFixed(0))]),
    ),
    table(
      ['', 'measured/s', 'model/s', 'model ÷ measured', 'ack p50 measured, ms', 'model, ms'],
      compared(measured, costs).map((one) => [
        FITTED.includes(one.name) ? `${one.name} (fitted)` : one.name,
        one.measured.toFixed(0),
        one.predicted.toFixed(0),
        (one.predicted / one.measured).toFixed(2),
        one.measuredMs.toFixed(1),
        one.predictedMs.toFixed(1),
      ]),
    ),
    table(['', 'microseconds a message', 'messages/s of one core'], carried(measured, costs)),
    table(['cores', 'gateways, messages, history each', 'messages/s', 'ack p50, ms', 'what is full'], beyond(costs)),
  ];
  process.stdout.write(`${out.join('\n\n')}\n`);
}

function fromResults(file: string): Measured {
  const { machine, samples } = JSON.parse(readFileSync(file, 'utf8')) as {
    machine: { cores: number };
    samples: Sample[];
  };
  return measuredOf(machine.cores, samples, 'cluster');
}

main();

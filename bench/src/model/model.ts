/** `node bench/dist/model/model.js RESULTS.json`: what a run of `send` cost by process, and what a simulation by these costs makes of it beside what was measured. */
import { readFileSync } from 'node:fs';
import type { Sample } from '../report.js';
import { costsOf, machineOf, measuredOf, paceOf, type Measured } from './costs.js';
import { simulate } from './simulate.js';

/** The phases that can be simulated, with what was measured and what the model says. */
function compared(measured: Measured): { name: string; measured: number; predicted: number; measuredMs: number; predictedMs: number }[] {
  const machine = machineOf('cluster', measured.cores, costsOf(measured));
  return measured.phases.flatMap(({ name, perSecond, ackP50Ms }) => {
    const pace = paceOf(name);
    if (pace === undefined) return [];
    const { perSecond: predicted, ackP50Ms: predictedMs } = simulate(machine, pace);
    return [{ name, measured: perSecond, predicted, measuredMs: ackP50Ms, predictedMs }];
  });
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map((_, at) => (at === 0 ? '---' : '---:')), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

function main(): void {
  const measured = fromResults(process.argv[2] ?? '');
  const costs = costsOf(measured);
  const rows = Object.entries(costs).filter(([, { fixedUs, eachUs, idle }]) => fixedUs + eachUs >= 1 || idle >= 0.005);
  const out = [
    `${measured.cores} cores; microseconds of CPU`,
    table(['', 'a message alone', 'among many', 'all the time, share of a core'], rows.map(([name, { fixedUs, eachUs, idle }]) => [name, (fixedUs + eachUs).toFixed(0), eachUs.toFixed(0), idle.toFixed(3)])),
    table(['', 'measured/s', 'model/s', 'model ÷ measured', 'ack p50 measured, ms', 'model, ms'], compared(measured).map((one) =>
      [one.name, one.measured.toFixed(0), one.predicted.toFixed(0), (one.predicted / one.measured).toFixed(2), one.measuredMs.toFixed(1), one.predictedMs.toFixed(1)])),
  ];
  process.stdout.write(`${out.join('\n\n')}\n`);
}

function fromResults(file: string): Measured {
  const { machine, samples } = JSON.parse(readFileSync(file, 'utf8')) as { machine: { cores: number }; samples: Sample[] };
  return measuredOf(machine.cores, samples, 'cluster');
}

main();

/** `npm run faults [-- --only NAME,… --seed N --minutes M --random --mutations]`: every fault under load, one table, histories in `.cache/faults`. Ends with 1 when a promise was broken. */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { held, run, type Outcome } from './run.js';
import { rows, type Row } from './rows.js';
import { World } from './world.js';

const { values } = parseArgs({ options: { only: { type: 'string' }, seed: { type: 'string' }, minutes: { type: 'string' }, random: { type: 'boolean' }, mutations: { type: 'boolean' } } });
const folder = join(process.cwd(), '.cache/faults');
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000));
const wanted = (values.only ?? '').split(',').filter((name) => name !== '');
const chosen = rows.filter(({ name }) => wanted.length === 0 || wanted.some((one) => name.startsWith(one)));
if (chosen.length === 0) throw new Error(`no such fault; there are: ${rows.map(({ name }) => name).join(', ')}`);
const until = Date.now() + Number(values.minutes ?? 0) * 60_000;

const line = (cells: readonly (string | number)[]): string => {
  const widths = [38, 7, 6, 8, 9, 9, 7];
  return cells.map((cell, at) => String(cell).padEnd(widths[at] ?? 0)).join(' ');
};

function tell(outcome: Outcome): void {
  const { row, acknowledged, retries, p99, recovery, seconds, findings } = outcome;
  say(line([row.name, outcome.seed, acknowledged, retries, `${p99} ms`, `${recovery.toFixed(1)} s`, `${seconds.toFixed(0)} s`, held(outcome) ? 'held' : `BROKEN: ${Object.entries(findings).map(([kind, entries]) => `${kind} ${entries.length}`).join(', ')}`]));
  for (const [kind, entries] of Object.entries(findings)) for (const entry of entries.slice(0, 5)) say(`    ${kind}: ${entry}`);
}

async function every(list: readonly Row[], from: number): Promise<Outcome[]> {
  const world = await World.open();
  const outcomes: Outcome[] = [];
  try {
    for (const row of list) {
      const outcome = await run(world, row, { seed: from, folder });
      outcomes.push(outcome);
      tell(outcome);
    }
  } finally {
    await world.close();
  }
  return outcomes;
}

say(`seed ${seed}; ${chosen.length} faults; histories in ${folder}`);
say(line(['fault', 'seed', 'acks', 'retries', 'p99', 'recovery', 'took', 'verdict']));
const outcomes: Outcome[] = [];
for (let round = 0; round === 0 || (values.random === true && Date.now() < until); round++) outcomes.push(...(await every(chosen, seed + round)));
const broken = outcomes.filter((outcome) => !held(outcome));
say(broken.length === 0 ? `${outcomes.length} faults, every promise held` : `${broken.length} of ${outcomes.length} faults broke a promise: ${broken.map(({ row, seed: at }) => `${row.name} (seed ${at})`).join(', ')}`);
process.exitCode = broken.length === 0 ? 0 : 1;

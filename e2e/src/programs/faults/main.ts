/**
 * `npm run faults [-- --only NAME,… --seed N --minutes M --random --mutations --checkout FOLDER]`: every fault under load, one table, histories in `.cache/faults`. Ends with 1 when a promise was broken.
 * With the folder of a build of another version, that is replaced by this one, and nothing else is done.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { held, run, type RunResult } from './run.js';
import { mutations, type Mutation } from './mutations.js';
import { embeddedFaults, faults, upgrade, type Fault } from './faults/index.js';
import { FaultEmbedded, FaultCluster, type FaultTarget } from './target.js';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    seed: { type: 'string' },
    minutes: { type: 'string' },
    random: { type: 'boolean' },
    mutations: { type: 'boolean' },
    checkout: { type: 'string' },
  },
});
const folder = join(process.cwd(), '.cache/faults');
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000));
const wanted = (values.only ?? '').split(',').filter((name) => name !== '');
const asked = ({ name }: { name: string }): boolean =>
  wanted.length === 0 || wanted.some((one) => name.startsWith(one));
const until = Date.now() + Number(values.minutes ?? 0) * 60_000;

const line = (cells: readonly (string | number)[]): string => {
  const widths = [38, 7, 6, 8, 9, 9, 7];
  return cells.map((cell, at) => String(cell).padEnd(widths[at] ?? 0)).join(' ');
};

function tell(outcome: RunResult): void {
  const { row, acknowledged, retries, p99, recovery, seconds, findings } = outcome;
  say(
    line([
      row.name,
      outcome.seed,
      acknowledged,
      retries,
      `${p99} ms`,
      `${recovery.toFixed(1)} s`,
      `${seconds.toFixed(0)} s`,
      held(outcome)
        ? 'held'
        : `BROKEN: ${Object.entries(findings)
            .map(([kind, entries]) => `${kind} ${entries.length}`)
            .join(', ')}`,
    ]),
  );
  for (const [kind, entries] of Object.entries(findings))
    for (const entry of entries.slice(0, 5)) say(`    ${kind}: ${entry}`);
}

async function one<W extends FaultTarget>(target: W, row: Fault<W>, from: number): Promise<RunResult> {
  const outcome = await run(target, row, { seed: from, folder }).catch((error: unknown): RunResult => {
    const why = error instanceof Error ? error.message : String(error);
    return {
      row,
      seed: from,
      findings: { 'cannot be run': [why] },
      acknowledged: 0,
      retries: 0,
      p99: 0,
      recovery: 0,
      seconds: 0,
    };
  });
  tell(outcome);
  return outcome;
}

/** One after another on one cluster; on a new one after a row that broke something, which may not be whole again. */
async function onOne(group: readonly Fault[], from: number): Promise<RunResult[]> {
  const outcomes: RunResult[] = [];
  let target: FaultCluster | undefined;
  try {
    for (const row of group) {
      target ??= await FaultCluster.open(row.ownCluster);
      outcomes.push(await one(target, row, from));
      if (held(outcomes.at(-1)!)) continue;
      await target.close();
      target = undefined;
    }
  } finally {
    await target?.close();
  }
  return outcomes;
}

/** All rows of cluster mode on one cluster, but those that want their own; embedded mode begins anew for each. */
async function every(from: number): Promise<RunResult[]> {
  if (values.checkout !== undefined) return onOne([upgrade(values.checkout)], from);
  const outcomes: RunResult[] = [];
  const list = faults.filter(asked);
  const shared = list.filter(({ ownCluster }) => ownCluster === undefined);
  outcomes.push(...(await onOne(shared, from)));
  for (const row of list.filter(({ ownCluster }) => ownCluster !== undefined))
    outcomes.push(...(await onOne([row], from)));
  for (const row of embeddedFaults.filter(asked)) {
    const target = await FaultEmbedded.open();
    try {
      outcomes.push(await one(target, row, from));
    } finally {
      await target.close();
    }
  }
  return outcomes;
}

/** Whether the row finds out that its guard is away. */
async function mutated({ guard, row: name, finding, sql }: Mutation): Promise<boolean> {
  const target = await FaultCluster.open({ without: [guard] });
  try {
    if (sql !== undefined) await target.ask(sql, []);
    const { findings } = await run(
      target,
      faults.find((row) => row.name === name)!,
      { seed, folder: join(folder, `without-${guard}`) },
    );
    const found = findings[finding] !== undefined;
    say(
      `${guard.padEnd(24)} ${name.padEnd(28)} ${found ? `found: ${finding}` : 'NOT FOUND'} (${Object.entries(findings)
        .map(([kind, entries]) => `${kind} ${entries.length}`)
        .join(', ')})`,
    );
    if (!found || values.only !== undefined)
      for (const [kind, entries] of Object.entries(findings))
        for (const entry of entries.slice(0, 3)) say(`    ${kind}: ${entry}`);
    return found;
  } finally {
    await target.close();
  }
}

async function allMutations(): Promise<void> {
  let missed = 0;
  for (const mutation of mutations.filter(({ guard }) => asked({ name: guard })))
    if (!(await mutated(mutation))) missed += 1;
  say(
    missed === 0 ? 'every guard that was taken away was missed' : `${missed} guards were taken away and nobody noticed`,
  );
  process.exitCode = missed === 0 ? 0 : 1;
}

async function allFaults(): Promise<void> {
  const outcomes: RunResult[] = [];
  say(line(['fault', 'seed', 'acks', 'retries', 'p99', 'recovery', 'took', 'verdict']));
  for (let round = 0; round === 0 || (values.random === true && Date.now() < until); round++)
    outcomes.push(...(await every(seed + round)));
  const broken = outcomes.filter((outcome) => !held(outcome));
  say(
    broken.length === 0
      ? `${outcomes.length} faults, every promise held`
      : `${broken.length} of ${outcomes.length} faults broke a promise: ${broken.map(({ row, seed: at }) => `${row.name} (seed ${at})`).join(', ')}`,
  );
  process.exitCode = broken.length === 0 && outcomes.length > 0 ? 0 : 1;
}

say(`seed ${seed}; histories in ${folder}`);
await (values.mutations === true ? allMutations() : allFaults());

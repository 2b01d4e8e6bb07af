/**
 * `npm run faults [-- --only NAME,… --seed N --minutes M --random --mutations --checkout FOLDER]`: runs every fault
 * under load and prints one table; histories go to `.cache/faults`. Exits with 1 if a promise was broken. With
 * `--checkout`, the folder of a build of another version, it only upgrades a cluster of that version to this one.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Findings } from './check.js';
import { held, run, type RunResult } from './run.js';
import { buildMutant } from './mutant.js';
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
const isSelected = ({ name }: { name: string }): boolean =>
  wanted.length === 0 || wanted.some((one) => name.startsWith(one));
const until = Date.now() + Number(values.minutes ?? 0) * 60_000;

const line = (cells: readonly (string | number)[]): string => {
  const widths = [38, 7, 6, 8, 9, 9, 7];
  return cells.map((cell, at) => String(cell).padEnd(widths[at] ?? 0)).join(' ');
};

function printResult(outcome: RunResult): void {
  const { fault, acknowledged, retries, p99, recovery, seconds, findings } = outcome;
  say(
    line([
      fault.name,
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
  printFindings(findings, 5);
}

function printFindings(findings: Findings, limit: number): void {
  for (const [kind, entries] of Object.entries(findings))
    for (const entry of entries.slice(0, limit)) say(`    ${kind}: ${entry}`);
}

async function runOne<W extends FaultTarget>(target: W, fault: Fault<W>, from: number): Promise<RunResult> {
  const outcome = await run(target, fault, { seed: from, folder }).catch((error: unknown) =>
    notRun(fault, from, error),
  );
  printResult(outcome);
  return outcome;
}

/** The result of a fault that could not be run: the others follow all the same. */
function notRun(fault: Pick<Fault, 'name' | 'description'>, from: number, error: unknown): RunResult {
  const why = error instanceof Error ? error.message : String(error);
  const findings = { 'cannot be run': [why] };
  return { fault, seed: from, findings, acknowledged: 0, retries: 0, p99: 0, recovery: 0, seconds: 0 };
}

/**
 * Runs faults one after another on one cluster. After a broken promise the cluster may be damaged, so the next fault
 * gets a new one.
 */
async function runOnOneCluster(group: readonly Fault[], from: number): Promise<RunResult[]> {
  const outcomes: RunResult[] = [];
  let target: FaultCluster | undefined;
  try {
    for (const fault of group) {
      target ??= await FaultCluster.open(fault.ownCluster).catch((error: unknown) => {
        outcomes.push(notRun(fault, from, error));
        printResult(outcomes.at(-1)!);
        return undefined;
      });
      if (!target) continue;
      outcomes.push(await runOne(target, fault, from));
      if (held(outcomes.at(-1)!)) continue;
      await target.close();
      target = undefined;
    }
  } finally {
    await target?.close();
  }
  return outcomes;
}

/** Runs all selected faults: on one cluster, except those that need their own; embedded mode starts again for each. */
async function runAll(from: number): Promise<RunResult[]> {
  if (values.checkout !== undefined) return runOnOneCluster([upgrade(values.checkout)], from);
  const outcomes: RunResult[] = [];
  const list = faults.filter(isSelected);
  const shared = list.filter(({ ownCluster }) => ownCluster === undefined);
  outcomes.push(...(await runOnOneCluster(shared, from)));
  for (const fault of list.filter(({ ownCluster }) => ownCluster !== undefined))
    outcomes.push(...(await runOnOneCluster([fault], from)));
  for (const fault of embeddedFaults.filter(isSelected)) {
    const target = await FaultEmbedded.open(fault).catch((error: unknown) => {
      outcomes.push(notRun(fault, from, error));
      printResult(outcomes.at(-1)!);
      return undefined;
    });
    if (!target) continue;
    try {
      outcomes.push(await runOne(target, fault, from));
    } finally {
      await target.close();
    }
  }
  return outcomes;
}

/** Runs the mutation's fault against a build without its guard. Resolves with whether the fault noticed. */
async function isNoticed({ guard, fault: name, finding, sql }: Mutation): Promise<boolean> {
  const checkout = await buildMutant(guard);
  try {
    const target = await FaultCluster.open({ checkout });
    try {
      if (sql !== undefined) await target.ask(sql, []);
      const fault = faults.find((candidate) => candidate.name === name)!;
      const { findings } = await run(target, fault, { seed, folder: join(folder, `without-${guard}`) });
      const noticed = findings[finding] !== undefined;
      const counts = Object.entries(findings).map(([kind, entries]) => `${kind} ${entries.length}`);
      say(
        `${guard.padEnd(24)} ${name.padEnd(28)} ${noticed ? `noticed: ${finding}` : 'NOT NOTICED'} (${counts.join(', ')})`,
      );
      if (!noticed || values.only !== undefined) printFindings(findings, 3);
      return noticed;
    } finally {
      await target.close();
    }
  } finally {
    await rm(checkout, { recursive: true, force: true });
  }
}

async function runMutations(): Promise<void> {
  let missed = 0;
  for (const mutation of mutations.filter(({ guard }) => isSelected({ name: guard })))
    if (!(await isNoticed(mutation))) missed += 1;
  say(missed === 0 ? 'every removed guard was noticed' : `${missed} removed guards went unnoticed`);
  process.exitCode = missed === 0 ? 0 : 1;
}

async function runFaults(): Promise<void> {
  const outcomes: RunResult[] = [];
  say(line(['fault', 'seed', 'acks', 'retries', 'p99', 'recovery', 'took', 'verdict']));
  for (let round = 0; round === 0 || (values.random === true && Date.now() < until); round++)
    outcomes.push(...(await runAll(seed + round)));
  const broken = outcomes.filter((outcome) => !held(outcome));
  say(
    broken.length === 0
      ? `${outcomes.length} faults, every promise held`
      : `${broken.length} of ${outcomes.length} faults broke a promise: ${broken.map(({ fault, seed: at }) => `${fault.name} (seed ${at})`).join(', ')}`,
  );
  process.exitCode = broken.length === 0 && outcomes.length > 0 ? 0 : 1;
}

say(`seed ${seed}; histories in ${folder}`);
await (values.mutations === true ? runMutations() : runFaults());
// A fault that could not be run may leave a process or a connection behind.
process.exit();

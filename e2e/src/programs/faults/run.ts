/** One fault under load, and what came of it. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { check, type Findings } from './check.js';
import { History, Load } from './load.js';
import type { Row } from './rows.js';
import type { Stand } from './world.js';

export interface Outcome {
  readonly row: Pick<Row, 'name' | 'what'>;
  readonly seed: number;
  readonly findings: Findings;
  readonly acknowledged: number;
  readonly retries: number;
  /** Milliseconds until an answer, over the whole run. */
  readonly p99: number;
  /** Seconds from the end of the fault until everything was ready and every queue empty. */
  readonly recovery: number;
  readonly seconds: number;
}

export const held = ({ findings }: Outcome): boolean => Object.keys(findings).length === 0;

export interface RunOptions {
  readonly seed: number;
  /** Where the history is written; absent: nowhere. */
  readonly folder?: string;
  /** How long people chat before and after the fault. */
  readonly calmMs?: number;
  readonly paceMs?: number;
}

/** Megabytes that no process may pass. */
const MOST_MEMORY = 700;

export async function run<W extends Stand>(
  world: W,
  row: Row<W>,
  { seed, folder, calmMs = 2_000, paceMs }: RunOptions,
): Promise<Outcome> {
  const begun = performance.now();
  if (folder !== undefined) await mkdir(folder, { recursive: true });
  const history = new History(folder && join(folder, `${row.name}-${seed}.jsonl`));
  const load = new Load({ seed, urls: world.urls, history, ...(paceMs !== undefined && { paceMs }) });
  const troubles: string[] = [];
  await load.begin();
  load.start();
  await pause(calmMs);
  history.write({ type: 'fault', row: row.name });
  await row.run(world, load).then(
    (found) => troubles.push(...(found ?? [])),
    (error: unknown) => void troubles.push(error instanceof Error ? error.message : String(error)),
  );
  history.write({ type: 'over' });
  const over = performance.now();
  await world
    .healed()
    .catch(
      (error: unknown) =>
        void troubles.push(`did not recover: ${error instanceof Error ? error.message : String(error)}`),
    );
  const recovery = (performance.now() - over) / 1000;
  await pause(calmMs);
  await load.stop();
  await world
    .healed(true, 30_000)
    .catch(
      (error: unknown) =>
        void troubles.push(`did not come to rest: ${error instanceof Error ? error.message : String(error)}`),
    );
  const memory = await world.memory();
  if (memory > MOST_MEMORY) troubles.push(`a process uses ${memory} MB`);
  const findings = await check(load, (text, values) => world.ask(text, values)).catch((error: unknown): Findings => ({
    'cannot be checked': [String(error instanceof Error ? error.stack : error)],
  }));
  load.endNotes();
  load.leave();
  history.write({ type: 'verdict', findings, troubles });
  await history.close();
  const sorted = load.latencies.sort((a, b) => a - b);
  return {
    row,
    seed,
    findings: { ...findings, ...(troubles.length > 0 && { row: troubles }) },
    acknowledged: load.acknowledged,
    retries: load.retries,
    p99: Math.round(sorted[Math.floor(sorted.length * 0.99)] ?? 0),
    recovery,
    seconds: (performance.now() - begun) / 1000,
  };
}

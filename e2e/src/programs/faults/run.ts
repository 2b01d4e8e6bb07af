/** Runs one fault under load, and checks every promise afterwards. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { check, type Findings } from './check.js';
import { History, Load } from './load.js';
import type { Fault } from './faults/index.js';
import type { FaultTarget } from './target.js';

export interface RunResult {
  readonly fault: Pick<Fault, 'name' | 'description'>;
  readonly seed: number;
  readonly findings: Findings;
  readonly acknowledged: number;
  readonly retries: number;
  /** Milliseconds to an answer, over the whole run. */
  readonly p99: number;
  /** Seconds from the end of the fault until everything was ready and every queue empty. */
  readonly recovery: number;
  readonly seconds: number;
}

export const held = ({ findings }: RunResult): boolean => Object.keys(findings).length === 0;

export interface RunOptions {
  readonly seed: number;
  /** The folder for the history; absent: none is written. */
  readonly folder?: string;
  /** How long users chat before and after the fault. */
  readonly calmMs?: number;
  readonly paceMs?: number;
}

/** The limit of memory for every process, unless the fault has another. */
const MAX_MEMORY_MB = 700;

export async function run<W extends FaultTarget>(
  target: W,
  fault: Fault<W>,
  { seed, folder, calmMs = 2_000, paceMs }: RunOptions,
): Promise<RunResult> {
  const begun = performance.now();
  if (folder !== undefined) await mkdir(folder, { recursive: true });
  const history = new History(folder && join(folder, `${fault.name}-${seed}.jsonl`));
  const load = new Load({ seed, urls: target.urls, history, ...(paceMs !== undefined && { paceMs }) });
  const troubles: string[] = [];
  await load.arrive().catch(async (error: unknown) => {
    // Clients would reconnect for ever.
    load.leave();
    await history.close();
    throw error;
  });
  load.start();
  await pause(calmMs);
  history.write({ type: 'fault', fault: fault.name });
  await fault.run(target, load).then(
    (found) => troubles.push(...(found ?? [])),
    (error: unknown) => void troubles.push(error instanceof Error ? error.message : String(error)),
  );
  history.write({ type: 'over' });
  const over = performance.now();
  await target
    .healed()
    .catch(
      (error: unknown) =>
        void troubles.push(`did not recover: ${error instanceof Error ? error.message : String(error)}`),
    );
  const recovery = (performance.now() - over) / 1000;
  await pause(calmMs);
  await load.stop();
  await target
    .healed(true, 30_000)
    .catch(
      (error: unknown) =>
        void troubles.push(`did not come to rest: ${error instanceof Error ? error.message : String(error)}`),
    );
  const memory = await target.memory();
  if (memory > (fault.maxMemoryMb ?? MAX_MEMORY_MB)) troubles.push(`a process uses ${memory} MB`);
  const findings = await check(load, (text, values) => target.ask(text, values)).catch((error: unknown): Findings => ({
    'cannot be checked': [String(error instanceof Error ? error.stack : error)],
  }));
  load.stopRecording();
  load.leave();
  history.write({ type: 'verdict', findings, troubles });
  await history.close();
  const sorted = load.latencies.sort((a, b) => a - b);
  return {
    fault,
    seed,
    findings: { ...findings, ...(troubles.length > 0 && { fault: troubles }) },
    acknowledged: load.acknowledged,
    retries: load.retries,
    p99: Math.round(sorted[Math.floor(sorted.length * 0.99)] ?? 0),
    recovery,
    seconds: (performance.now() - begun) / 1000,
  };
}

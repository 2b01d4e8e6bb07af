import { readFileSync } from 'node:fs';
import type { ServiceProcess } from '@parley/testing';
import { cpuBetween, cpuSnapshot, type CpuSnapshot } from './cpu.js';
import type { Fleet } from './fleet.js';
import type { Target } from './targets.js';

export const generator = 'load generator';
const backing = { postgres: 'postgres', postmaster: 'postgres', 'beam.smp': 'rabbitmq', 'redis-server': 'redis' };

/** The CPU used by a target and its servers up to a moment. */
export interface Usage {
  readonly atUs: number;
  readonly own: ReadonlyMap<string, number>;
  readonly backing: CpuSnapshot;
}

export function usageOf(target: Target, fleet: Fleet): Usage {
  const own = new Map<string, number>();
  for (const one of target.processes) own.set(one.name, (own.get(one.name) ?? 0) + (one.cpuMs() ?? 0));
  const [seconds, nanoseconds] = process.hrtime();
  return {
    atUs: seconds * 1e6 + nanoseconds / 1e3,
    own: own.set(generator, fleet.cpuMs),
    backing: cpuSnapshot(backing),
  };
}

/** Busy share of one core between two moments, by program. */
export function coresBetween(before: Usage, after: Usage): Record<string, number> {
  const ms = (after.atUs - before.atUs) / 1e3;
  const own = [...after.own].map(([name, used]): [string, number] => [name, used - (before.own.get(name) ?? 0)]);
  return Object.fromEntries(
    [...own, ...cpuBetween(before.backing, after.backing)].map(([name, used]) => [name, used / ms]),
  );
}

/** Proportional set size of a process in megabytes; NaN without /proc. */
export function memoryMb({ child }: ServiceProcess): number {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/smaps_rollup`, 'utf8'))?.[1]) / 1024;
  } catch {
    return Number.NaN;
  }
}

/** By program. */
export function memoryOf({ processes }: Target): Record<string, number> {
  const all: Record<string, number> = {};
  for (const one of processes) all[one.name] = (all[one.name] ?? 0) + memoryMb(one);
  return all;
}

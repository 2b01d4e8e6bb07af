import { readdirSync, readFileSync } from 'node:fs';

/** Milliseconds of CPU so far of every process of some programs, by process id. Linux only. */
export type CpuSnapshot = ReadonlyMap<number, { readonly label: string; readonly ms: number }>;

/** For servers that run as many processes, or in containers, or were not started here. `programs`: command name → label. */
export function cpuSnapshot(programs: Readonly<Record<string, string>>): CpuSnapshot {
  const snapshot = new Map<number, { label: string; ms: number }>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const label = programs[read(`/proc/${pid}/comm`).trim()];
    if (label === undefined) continue;
    const stat = read(`/proc/${pid}/stat`);
    const [utime = 0, stime = 0] = stat.slice(stat.lastIndexOf(')') + 2).split(' ').slice(11, 13).map(Number);
    snapshot.set(Number(pid), { label, ms: (utime + stime) * 10 });
  }
  return snapshot;
}

/** Milliseconds between two snapshots, by label. Processes that ended in between are left out. */
export function cpuBetween(before: CpuSnapshot, after: CpuSnapshot): Map<string, number> {
  const total = new Map<string, number>();
  for (const [pid, { label, ms }] of after) total.set(label, (total.get(label) ?? 0) + ms - (before.get(pid)?.ms ?? 0));
  return total;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

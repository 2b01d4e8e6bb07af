import { readdirSync, readFileSync } from 'node:fs';

/** Milliseconds of CPU used so far by every process of some programs, by process id. Linux only. */
export type CpuSnapshot = ReadonlyMap<number, { readonly label: string; readonly ms: number }>;

/**
 * For servers with many processes, in containers, or started elsewhere. `programs`: command name → label. If some
 * processes of a label descend from this process, only those count; otherwise all on this machine.
 */
export function cpuSnapshot(programs: Readonly<Record<string, string>>): CpuSnapshot {
  const parents = new Map<number, number>();
  const all = new Map<number, { label: string; ms: number }>();
  for (const pid of readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)) {
    const stat = read(`/proc/${pid}/stat`);
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    parents.set(pid, fields[1] ?? 0);
    const label = programs[stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'))];
    if (label !== undefined) all.set(pid, { label, ms: ((fields[11] ?? 0) + (fields[12] ?? 0)) * 10 });
  }
  const own = [...all].filter(([pid]) => descends(pid, parents));
  const labels = new Set(own.map(([, { label }]) => label));
  return new Map([...own, ...[...all].filter(([, { label }]) => !labels.has(label))]);
}

function descends(pid: number, parents: ReadonlyMap<number, number>): boolean {
  for (let at: number | undefined = pid; at; at = parents.get(at)) if (at === process.pid) return true;
  return false;
}

/** Milliseconds of CPU between two snapshots, by label. Processes that ended in between are left out. */
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

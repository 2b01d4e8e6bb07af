import { readdirSync, readFileSync } from 'node:fs';

/** Milliseconds of CPU so far by program, its ended children included: for servers that run as many processes, or in containers. Linux only. */
export function cpuByProgram(programs: Readonly<Record<string, string>>): Record<string, number> {
  const total: Record<string, number> = {};
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const label = programs[read(`/proc/${pid}/comm`).trim()];
    if (label === undefined) continue;
    const stat = read(`/proc/${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // utime, stime, and those of waited-for children; in hundredths of a second.
    total[label] = (total[label] ?? 0) + [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at] ?? 0), 0) * 10;
  }
  return total;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/**
 * The same as `index.ts` for processes under test. `FAULT_AT` names a place, at which of its visits something happens, and what: `messages.committed:200:kill` is a SIGKILL at the 200th,
 * `messages.received:1:sleep:300` holds up every visit from the first on for 300 ms. `WITHOUT` lists guards, separated by commas.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Guard, Place } from './names.js';

const { FAULT_AT = '', WITHOUT = '' } = process.env;
const [place, count, act, ms] = FAULT_AT.split(':');
const guards = new Set(WITHOUT.split(','));
let visits = 0;

export function reached(here: Place): Promise<void> | undefined {
  if (here !== place || ++visits < Number(count)) return undefined;
  if (act === 'kill') process.kill(process.pid, 'SIGKILL');
  return sleep(Number(ms ?? 60_000));
}

export const without = (guard: Guard): boolean => guards.has(guard);

/**
 * `index.ts` for processes under test. `FAULT_AT` is `POINT:COUNT:ACTION`: from the COUNTth visit on, run ACTION.
 * `messages.committed:200:kill` sends SIGKILL at the 200th visit; `messages.received:1:sleep:300` delays every visit by
 * 300 ms.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultPoint } from './fault-points.js';

const { FAULT_AT = '' } = process.env;
const [target, from, action, ms] = FAULT_AT.split(':');
let visits = 0;

/** Kills or delays the process at this point, if the test asked for it; otherwise nothing happens. */
export function reached(point: FaultPoint): Promise<void> | undefined {
  if (point !== target || ++visits < Number(from)) return undefined;
  if (action === 'kill') process.kill(process.pid, 'SIGKILL');
  return sleep(Number(ms ?? 60_000));
}

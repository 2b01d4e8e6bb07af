/**
 * Points at which tests kill or hold up a process. In production nothing happens at them: `armed.ts` is loaded only by
 * a process that is started with `--conditions=@parley/faults`, as the fault tests start theirs.
 */
import type { FaultPoint } from './fault-points.js';

export type { FaultPoint } from './fault-points.js';

/** Says that the process has come to this point. Under test it may end here, or be held up until the promise resolves. */
export const reached = (_point: FaultPoint): Promise<void> | undefined => undefined;

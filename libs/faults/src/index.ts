/**
 * Places where tests break the product, and guards that they take away. Here nothing can be broken: what `armed.ts` does is loaded only by a process that is started with
 * `--conditions=@parley/faults`, as the fault tests start theirs.
 */
import type { Guard, Place } from './names.js';

export type { Guard, Place } from './names.js';

/** A moment has come. Under test the process may end here, or be held up until the promise resolves. */
export const reached = (_place: Place): Promise<void> | undefined => undefined;

/** Whether a guard is taken away. */
export const without = (_guard: Guard): boolean => false;

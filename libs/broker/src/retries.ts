/** How long an event waits before it is tried again while a dependency is away, in milliseconds; the last one repeats. */
export const retryDelays: readonly number[] = [1_000, 5_000, 30_000];
/** How often an event is tried again before it becomes a dead letter: about four hours of an absent dependency. */
export const RETRY_LIMIT = 500;

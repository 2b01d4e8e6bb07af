import type { Broker } from '@parley/broker';
import type { Logger } from '@parley/service-kit';
import type { PresenceTimes } from './record.js';
import type { PresenceStore } from './store/store.js';

/** What the service stands on. It neither opens nor closes any of it. */
export interface PresenceParts {
  readonly broker: Broker;
  readonly store: PresenceStore;
  readonly logger: Logger;
  /** How often it looks for leases that have ended and clients that fell silent. */
  readonly sweepMs: number;
  /** How much longer a lease gets that ended while nobody listened. */
  readonly holdMs: number;
  readonly times: PresenceTimes;
  /** The longest that a stop waits for work under way. */
  readonly graceMs?: number;
}

export const PARTS = Symbol('PresenceParts');

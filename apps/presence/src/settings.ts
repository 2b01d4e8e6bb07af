import { presenceTimes, type PresenceTimes } from './record.js';
import { storeTimes } from './store/store.js';

/** The settings of the presence service; times in milliseconds. A class, so that Nest injects it by type. */
export abstract class PresenceSettings {
  /** The pause between two looks for ended leases and silent clients. */
  abstract readonly sweepMs: number;
  /** Extension of leases that ended while no replica consumed renewals. */
  abstract readonly holdMs: number;
  abstract readonly times: PresenceTimes;
}

export const defaultSettings = Object.freeze({
  sweepMs: 1_000,
  holdMs: storeTimes.holdMs,
  times: presenceTimes,
}) satisfies PresenceSettings;

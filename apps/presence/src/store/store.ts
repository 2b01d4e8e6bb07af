import type { PresenceRecord } from '../record.js';

/** Computes the next record of a user. Must be pure, because it may run again. The same object means: no change. */
export type Change = (record: PresenceRecord, now: number, userId: string) => PresenceRecord;

/**
 * The records of all users and the gateways' subscriptions, shared by all replicas of presence, with the one clock that measures leases. Two implementations, Redis and memory; one conformance suite. Every
 * call rejects with `Unavailable` while Redis is unavailable. A class, so that Nest injects it by type.
 */
export abstract class PresenceStore {
  /** Changes each user's record as if nobody else did at the same time. Returns all records as they are afterwards, also those of unknown users. */
  abstract update(userIds: readonly string[], change: Change): Promise<ReadonlyMap<string, PresenceRecord>>;
  /** The records of known users. `complete` is false after a loss of data, while unknown users may become known again soon. */
  abstract read(
    userIds: readonly string[],
  ): Promise<{ records: ReadonlyMap<string, PresenceRecord>; complete: boolean }>;
  /**
   * At most `limit` users whose record has something due. They stay due until an `update` changes that. `held`: nobody had asked for a while, or data were lost; renewals may wait in the queue, so it is
   * too early to end a lease.
   */
  abstract due(limit: number): Promise<{ userIds: readonly string[]; held: boolean }>;
  /** Subscribes a gateway to these users for `times.leaseMs`. */
  abstract watch(gatewayId: string, userIds: readonly string[]): Promise<void>;
  abstract unwatch(gatewayId: string, userIds: readonly string[]): Promise<void>;
  /** The gateways that subscribe to each user, without users to whom none does. */
  abstract watchers(userIds: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>>;
  /** Undefined while the store answers, otherwise the problem, for people. */
  abstract readonly problem: string | undefined;
  abstract close(): Promise<void>;
}

/** In milliseconds. */
export interface StoreOptions {
  /** Leases are held when nobody has asked for due users for this long. */
  readonly gapMs?: number;
  /** How long they are held then. */
  readonly holdMs?: number;
  /** How long a gateway's subscription lasts. */
  readonly watchMs?: number;
}
export const storeTimes = Object.freeze({ gapMs: 6_000, holdMs: 10_000 });

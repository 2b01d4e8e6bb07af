import type { PresenceRecord } from '../record.js';

/** Computes the next record of a user. Must be pure, because it may run again. The same object means: no change. */
export type RecordUpdate = (record: PresenceRecord, now: number, userId: string) => PresenceRecord;

/**
 * The records of all users and the gateways' subscriptions, shared by all replicas of presence, with the one clock that
 * measures leases. Two implementations, Redis and memory; one conformance suite. Every call rejects with `Unavailable`
 * while Redis is unavailable. A class, so that Nest injects it by type.
 */
export abstract class PresenceStore {
  /** Changes each user's record atomically. Returns all records after the change, also for unknown users. */
  abstract update(userIds: readonly string[], change: RecordUpdate): Promise<ReadonlyMap<string, PresenceRecord>>;
  /**
   * The records of known users. `complete` is false after a loss of data, while unknown users may become known again soon.
   */
  abstract read(
    userIds: readonly string[],
  ): Promise<{ records: ReadonlyMap<string, PresenceRecord>; complete: boolean }>;
  /**
   * At most `limit` users whose record has something due. They stay due until an `update` changes that. `held`: no
   * sweep ran for a while, or data were lost; renewals may wait in the queue, so leases must not end yet.
   */
  abstract due(limit: number): Promise<{ userIds: readonly string[]; held: boolean }>;
  /** Subscribes a gateway to these users for `times.leaseMs`. */
  abstract watch(gatewayId: string, userIds: readonly string[]): Promise<void>;
  abstract unwatch(gatewayId: string, userIds: readonly string[]): Promise<void>;
  /** The gateways subscribed to each user; users without subscriptions are absent. */
  abstract watchers(userIds: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>>;
  /** undefined while the store answers, otherwise the problem, for operators. */
  abstract readonly problem: string | undefined;
  abstract close(): Promise<void>;
}

/** In milliseconds. */
export interface StoreOptions {
  /** Leases are held if no sweep ran for this long. */
  readonly unsweptMs?: number;
  /** Time for which leases are held. */
  readonly holdMs?: number;
  /** Lifetime of a gateway's subscription. */
  readonly watchMs?: number;
}
export const storeTimes = Object.freeze({ unsweptMs: 6_000, holdMs: 10_000 });

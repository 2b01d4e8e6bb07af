import type { PresenceRecord } from '../record.js';

/** Makes the next record of a user; must be pure, because it may run again. The same object means: nothing to change. */
export type Change = (record: PresenceRecord, now: number, userId: string) => PresenceRecord;

/**
 * What presence knows, shared by all its replicas, with the one clock that leases are measured by. Two implementations: Redis and memory; one suite.
 * Every call rejects with `Unavailable` when Redis is away.
 */
export interface PresenceStore {
  /** Changes each user's record as if nobody else did at the same time. Answers the records as they are afterwards, unknown users included. */
  update(userIds: readonly string[], change: Change): Promise<ReadonlyMap<string, PresenceRecord>>;
  /** Only known users. `whole` is false while users that are unknown may be known again soon, because data were lost lately. */
  read(userIds: readonly string[]): Promise<{ records: ReadonlyMap<string, PresenceRecord>; whole: boolean }>;
  /**
   * Users whose record has something due, at most `limit`. They stay due until an `update` changed that. `held`: nobody had asked for a while, or the data were lost;
   * renewals may lie unread, so it is too early to let a lease end.
   */
  due(limit: number): Promise<{ userIds: readonly string[]; held: boolean }>;
  /** A gateway wants to hear of these users, for `times.leaseMs`. */
  watch(gatewayId: string, userIds: readonly string[]): Promise<void>;
  unwatch(gatewayId: string, userIds: readonly string[]): Promise<void>;
  /** The gateways that want to hear of each user; without those of whom nobody does. */
  watchers(userIds: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>>;
  /** undefined while the store answers, otherwise what is wrong, for people. */
  readonly problem: string | undefined;
  close(): Promise<void>;
}

export interface StoreOptions {
  /** How long nobody may have asked what is due before leases are held. */
  readonly gapMs?: number;
  /** How long they are held then. */
  readonly holdMs?: number;
  readonly watchMs?: number;
}
export const storeTimes = Object.freeze({ gapMs: 6_000, holdMs: 10_000 });
